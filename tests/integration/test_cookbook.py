"""Every command of the cookbook runs, with small random networks in place of published ones."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.face_videos import write_face_videos
from tests.integration.command import ROOT
from tests.integration.infer_job import narrow_generator
from tests.unit.preprocess.server import serving
from tests.unit.restoration import graphs
from tests.writing import write_wav
from w2l.audio.waveform import load_audio
from w2l.cli.infer import main
from w2l.video import AudioTrack, VideoReader, VideoWriter, probe

pytestmark = pytest.mark.long


COMMANDS = [
    line
    for block in re.findall(
        r"```bash\n(.*?)```", (ROOT / "docs" / "cookbook.md").read_text(), re.DOTALL
    )
    for line in block.splitlines()
]
SECONDS = 1.2  # of the videos: 30 frames


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the cookbook's reader has."""
    folder = tmp_path_factory.mktemp("cookbook")
    (video,) = write_face_videos(folder, clips=1, frames=30, size=(360, 288), seed=0)
    video.rename(folder / "face.mp4")
    sound = load_audio(folder / "face.mp4")
    for name in ("speech", "mix"):
        write_wav(folder / f"{name}.wav", sound[: int(SECONDS * 16_000)])
    with VideoWriter(
        folder / "titles.mp4", 25, (360, 288), AudioTrack(folder / "face.mp4")
    ) as writer:
        for i, frame in enumerate(VideoReader(folder / "face.mp4")):
            writer.write(np.full_like(frame, 40) if i < 6 else frame)
    (folder / "numbered").mkdir()
    for i in (1, 2):
        (folder / "numbered" / f"{i}.mp4").write_bytes((folder / "face.mp4").read_bytes())
        (folder / "numbered" / f"{i}.wav").write_bytes((folder / "speech.wav").read_bytes())
    (folder / "people.yaml").write_text("- {person: track:1, audio: speech.wav}\n")
    narrow_generator(folder / "generator.ckpt")
    graphs.parser(folder / "parsing.onnx")
    graphs.identity(folder / "gfpgan.onnx")
    graphs.fidelity(folder / "codeformer.onnx")
    graphs.twice(folder / "realesrgan_x2.onnx")
    return folder


@pytest.fixture(scope="module")
def address(kitchen: Path) -> Iterator[str]:
    with serving(kitchen) as site:
        yield f"{site.url}/face.mp4"


def stand_in(words: list[str], kitchen: Path, address: str) -> list[str]:
    """The words, with the published weights and the address replaced."""
    generator = f"checkpoint={kitchen / 'generator.ckpt'}"
    kept = [word for word in words if not word.startswith("checkpoint=")]
    if "published=true" in kept and not any(word.startswith("box=") for word in kept):
        kept.append("detector=centerface")  # S3FD's weights are fetched too
    kept = [re.sub(r"=https://example\.org/talk\.mp4", f"={address}", word) for word in kept]
    return [*kept, generator, "device=cpu"]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs(
    command: str,
    kitchen: Path,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python, script, *words = shlex.split(command)
    assert (python, script) == ("python", "infer.py")
    monkeypatch.chdir(kitchen)
    shutil.rmtree(kitchen / "outputs", ignore_errors=True)
    monkeypatch.setattr(sys, "argv", [script, *stand_in(words, kitchen, address)])
    main()
    shown = capsys.readouterr().out
    written = [path for path in (kitchen / "outputs" / "infer").iterdir() if path.is_file()]
    (first, *_) = sorted(path for path in written if path.suffix in {".mp4", ".mkv", ".png"})
    if first.suffix == ".png":
        return
    # As published the sound's last windows get no frame; 0.8 s of the address are asked for.
    frames = 27 if "published=true" in words else 20 if "start=0.2" in words else 30
    assert VideoReader(first).count() == frames
    assert probe(first).has_audio
    if "titles.mp4" in command:
        assert "6 frames were left untouched" in shown
        for i, (out, given) in enumerate(
            zip(VideoReader(first), VideoReader(kitchen / "titles.mp4"), strict=True)
        ):
            assert np.array_equal(out, given) == (i < 6)


def test_the_cookbook_has_its_recipes() -> None:
    assert len(COMMANDS) >= 15
