"""Every command of the README runs, in its order, on small input; `make` and servers excepted."""

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


SERVED = ("python app.py", "python live.py")  # test_app.py and test_live.py press their buttons
TEXT = (ROOT / "README.md").read_text()
NUMBERS = TEXT.partition("## Numbers")[2].partition("\n## ")[0]


def commands() -> list[str]:
    """All but those of the table of numbers, which take hours or data that is not here."""
    text = TEXT.replace(NUMBERS, "")
    blocks = "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    lines = [line.partition("  #")[0].strip() for line in blocks.splitlines()]
    lines += re.findall(r"^\| .* \| `(python .*)` \|$", text, re.MULTILINE)
    return [line for line in lines if line.startswith("python ") and not line.startswith(SERVED)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's reader has: clips, a face, speech and a photo."""
    folder = tmp_path_factory.mktemp("readme")
    for recording in recordings():
        if recording.clip == "train1" and recording.speaker in {"s1", "s2", "s3"}:
            target = folder / "clips" / recording.speaker / f"{recording.clip}.mp4"
            render_clip(target, recording)
    render_clip(folder / "face.mp4", recordings()[0])
    cv2.imwrite(str(folder / "photo.png"), next(iter(VideoReader(folder / "face.mp4"))))
    sound = load_audio(recordings()[1].path, end_s=1.5)
    write_wav(folder / "speech.wav", sound)
    return folder


def test_all_commands_run_in_a_row(place: Path) -> None:
    listed = commands()
    assert len(listed) >= 12
    for line in listed:
        python, *words = shlex.split(line)
        assert python == "python", line
        if words[0] == "-m":
            words[:2] = [f"-m {words[1]}"]
        if words[0] == "train.py":
            words.append("debug=fast")
        if "experiment=syncnet_strong" in words:
            words += ["model.width=0.25", "callbacks.expert_report.clips=2"]
        if "experiment=wav2lip_strong" in words:
            words.append("callbacks.lip_report.clips=0")  # by networks of the published size
        result = call(*words, cwd=place)
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
    with_sound = [place / "outputs" / "dubbed.mp4", *place.glob("outputs/infer/**/*.mp4")]
    assert len(with_sound) >= 2
    for video in with_sound:
        # 1.5 s of speech at 25 frames a second, rounded up
        assert VideoReader(video).count() == 38
        assert len(load_audio(video)) == pytest.approx(24000, abs=1100)
    assert list(place.glob("outputs/evaluate/**/*.json"))
    assert (place / "outputs" / "lips.safetensors").stat().st_size > 100e6


def test_the_commands_behind_the_numbers_are_understood(tmp_path: Path) -> None:
    listed = re.findall(r"`(python [^`]*)`", NUMBERS)
    assert len(listed) >= 8
    for line in listed:
        _, *words = shlex.split(line)
        if words[0] == "-m":
            words[:2] = [f"-m {words[1]}"]
        shown = call(*words, "--cfg", "job", cwd=tmp_path)
        assert shown.returncode == 0, f"{line}\n{shown.stderr}"
