"""Every command of the README runs, in its order, on small input; `make` targets excepted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import pytest

from preprocess.demo.recordings import recordings
from preprocess.demo.render import render_clip
from tests.integration.command import ROOT, call
from tests.writing import write_wav
from w2l.audio.waveform import load_audio
from w2l.video import VideoReader

pytestmark = pytest.mark.long


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("make ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's reader has: clips, a face, speech and a photo."""
    folder = tmp_path_factory.mktemp("readme")
    for recording in recordings():
        if recording.clip in {"train1", "train2"} and recording.speaker in {"s1", "s2", "s3"}:
            target = folder / "clips" / recording.speaker / f"{recording.clip}.mp4"
            render_clip(target, recording)
    render_clip(folder / "face.mp4", recordings()[0])
    cv2.imwrite(str(folder / "photo.png"), next(iter(VideoReader(folder / "face.mp4"))))
    sound = load_audio(recordings()[1].path, end_s=1.5)
    write_wav(folder / "speech.wav", sound)
    return folder


def test_all_commands_run_in_a_row(place: Path) -> None:
    listed = commands()
    assert len(listed) >= 9
    for line in listed:
        python, *words = shlex.split(line)
        assert python == "python", line
        if words[0] == "-m":
            words[:2] = [f"-m {words[1]}"]
        if words[0] == "train.py":
            words.append("debug=fast")
        result = call(*words, cwd=place)
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
    with_sound = [place / "outputs" / "dubbed.mp4", *place.glob("outputs/infer/**/*.mp4")]
    assert len(with_sound) >= 2
    for video in with_sound:
        # 1.5 s of speech at 25 frames a second, rounded up
        assert VideoReader(video).count() == 38
        assert len(load_audio(video)) == pytest.approx(24000, abs=1100)
    assert list(place.glob("outputs/evaluate/**/*.json"))
    assert (place / "outputs" / "wav2lip.pth").stat().st_size > 100e6
