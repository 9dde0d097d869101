"""docs/tutorials: their files are written and their commands run, on short clips."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from preprocess.demo.recordings import recordings
from preprocess.demo.render import render_clip
from tests.integration.command import ROOT, call
from tests.writing import write_wav
from w2l import examples
from w2l.audio.waveform import load_audio
from w2l.video import AudioTrack, VideoReader, VideoWriter

pytestmark = pytest.mark.long
SECONDS = 1.2
SMALL = ["debug=fast", "model.width=0.0625", "data.num_workers=0"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What the reader has: a face, speech, videos of two methods, clips of speakers."""
    clip = examples.path("grid_s3_sbia1a")
    write_wav(tmp_path / "speech.wav", load_audio(clip, end_s=SECONDS))
    size = VideoReader(clip).size
    with VideoWriter(tmp_path / "face.mp4", 25, size, AudioTrack(clip, end_s=SECONDS)) as writer:
        for frame in VideoReader(clip).read(0, round(25 * SECONDS)):
            writer.write(frame)
    for name in ("ours", "real"):
        (tmp_path / name).mkdir()
        shutil.copy(tmp_path / "face.mp4", tmp_path / name / "1.mp4")
    return tmp_path


@pytest.mark.parametrize("name", ["component", "dub", "score", "train"])
def test_a_tutorial_runs(name: str, place: Path) -> None:
    if name == "train":
        for recording in recordings():
            if recording.clip == "train1" and recording.speaker in {"s1", "s2", "s3"}:
                render_clip(place / "clips" / recording.speaker / "1.mp4", recording)
    text = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text()
    for file, content in re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)```", text, re.M | re.DOTALL):
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(content)
    for line in "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).splitlines():
        _, *words = shlex.split(line)
        if words[0] == "-m":
            words[:2] = [f"-m {words[1]}"]
        done = call(*words, *(SMALL if words[0] == "train.py" else []), cwd=place)
        assert done.returncode == 0, f"{line}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    made = {
        "component": "outputs/middle.png", "dub": "outputs/show/index.html",
        "score": "table/table.tex", "train": "outputs/mine.mp4",
    }  # fmt: skip
    assert (place / made[name]).is_file()
