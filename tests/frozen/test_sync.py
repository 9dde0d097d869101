"""Every frame of three syncs is the one it was, and the library gives what the command writes.

A value that is truncated to 8 bits may come out one lower on a processor that adds in another
order. So each fourth pixel is stored and compared to within one level, everywhere; and where
torch and the kind of processor are those on which the values were stored, all frames are compared
to the last bit.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.frozen.made import (
    HERE,
    WRITING,
    kept,
    machine,
    network_file,
    portrait,
    read_video,
    sound,
    swaying,
    write_sound,
    write_video,
)
from tests.integration.command import call
from w2l import LipSync

SYNCS = {
    "published": ["face=one.mkv", "audio=a.wav", "published=true", "box=[40,200,40,190]"],
    "improved": ["face=one.mkv", "audio=a.wav"],
    "people": ["face=two.mkv", "people=people.yaml"],
}
PEOPLE = """\
- person: left
  audio: a.wav
- person: right
  audio: b.wav
"""
MACHINE = f"{machine()} {cv2.__version__}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person and two, 20 frames each; two sounds of 24 frames' length; a generator."""
    folder = tmp_path_factory.mktemp("sync")
    one = portrait()
    two = np.hstack([one, one[:, ::-1] // 4 * 3])
    write_video(folder / "one.mkv", swaying(one, 20))
    write_video(folder / "two.mkv", swaying(two, 20))
    write_sound(folder / "a.wav", sound(24 * 640))
    write_sound(folder / "b.wav", sound(24 * 640, seed=1))
    (folder / "people.yaml").write_text(PEOPLE)
    network_file(folder / "generator.ckpt", "generator")
    return folder


def synced(name: str, folder: Path, outfile: Path) -> np.ndarray:
    done = call(
        "infer.py", *SYNCS[name], "checkpoint=generator.ckpt", f"outfile={outfile}", "codec=ffv1",
        "device=cpu", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return read_video(outfile)


def digest(frames: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest()


@pytest.mark.long
@pytest.mark.parametrize("name", SYNCS)
def test_the_frames_are_those_they_were(name: str, folder: Path, tmp_path: Path) -> None:
    frames = synced(name, folder, tmp_path / "out.mkv")
    few = frames[::4, ::4, ::4]
    if WRITING:
        np.savez_compressed(HERE / f"frames_{name}.npz", frames=few)
    stored = np.load(HERE / f"frames_{name}.npz")["frames"]
    known = kept(f"frames_{name}", {"frames": len(frames), MACHINE: digest(frames)})
    assert len(frames) == known["frames"]
    assert np.abs(few.astype(int) - stored).max() <= 1
    assert digest(frames) == known.get(MACHINE, digest(frames))


def test_the_library_gives_the_frames_that_the_command_writes(folder: Path) -> None:
    lipsync = LipSync.from_pretrained(folder / "generator.ckpt", device="cpu")
    frames = lipsync.frames(np.stack(swaying(portrait(), 20)), sound(24 * 640), sample_rate=16000)
    stored = np.load(HERE / "frames_improved.npz")["frames"]
    few = np.stack(list(frames))[::4, ::4, ::4]
    assert np.abs(few.astype(int) - stored).max() <= 1
