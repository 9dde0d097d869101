"""Files that were put one behind the other in one: what is not read of them is said."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image
from scipy.io import wavfile

from tests.unit.video.made import constant, numbered, sweep, write_video
from w2l.audio.waveform import load_audio
from w2l.media.joined import is_joined
from w2l.video import VideoReader

N = 10


def made(path: Path, codec: str, sound_codec: str = "aac") -> Path:
    sound = sweep(N * 1920, 48_000)
    return write_video(
        path, [numbered(i) for i in range(N)], constant(N, 25),
        tick=Fraction(1, 25), codec=codec,
        sound=sound, sound_rate=48_000, sound_codec=sound_codec,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["a.mp4", "a.flv", "a.wav"])
def test_what_follows_a_file_and_is_not_read_is_said(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / name
    if name.endswith("wav"):
        wavfile.write(path, 16_000, sweep(6400, 16_000))
    else:
        made(path, "libx264" if name.endswith("mp4") else "flv1")
    assert not is_joined(path)
    n = len(load_audio(path))
    assert not caplog.text
    path.write_bytes(2 * path.read_bytes())
    assert len(load_audio(path)) == n
    (said,) = caplog.messages
    assert f"{name} holds several files" in said


def test_files_of_different_kinds_are_told_of(tmp_path: Path) -> None:
    """One of each kind behind each other kind: that it is not read is known by how it begins."""
    for ending, codec, sound in (("mp4", "libx264", "aac"), ("mkv", "libx264", "aac"),
                                 ("ts", "mpeg2video", "mp2"), ("mpg", "mpeg2video", "mp2"),
                                 ("avi", "mpeg4", "mp2")):  # fmt: skip
        made(tmp_path / f"a.{ending}", codec, sound)
    wavfile.write(tmp_path / "a.wav", 16_000, sweep(1600, 16_000))
    (tmp_path / "a.m2v").write_bytes(b"\0\0\x01\xb3" + bytes(range(200)))
    (tmp_path / "a.h264").write_bytes(b"\0\0\0\x01\x67\x64" + bytes(range(200)))
    (tmp_path / "a.h265").write_bytes(b"\0\0\0\x01\x40\x01\x0c" + bytes(range(200)))
    files = {path.suffix: path.read_bytes() for path in tmp_path.iterdir()}
    raw = {".m2v", ".h264", ".h265"}
    joined = tmp_path / "joined"
    for first, content in files.items():
        joined.write_bytes(content)
        assert not is_joined(joined)
        for second in files.keys() - {first}:
            if (first in raw) == (second in raw):
                joined.write_bytes(content + files[second])
                assert is_joined(joined), f"{second} behind {first}"
    whole = files[".ts"]
    joined.write_bytes(whole[: len(whole) - 100])  # cut off
    assert not is_joined(joined)


@pytest.mark.parametrize("ending", ["sgi", "tiff", "webp", "pcx"])
def test_images_one_behind_the_other_of_which_one_is_read_are_told_of(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    content = b""
    for i in range(2):
        Image.fromarray(numbered(i)).save(path)
        content += path.read_bytes()
    assert not is_joined(path)
    path.write_bytes(content)
    assert is_joined(path)


def test_a_box_may_state_any_length(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", "libx264")
    content = path.read_bytes()
    path.write_bytes(content + struct.pack(">I4sQ", 1, b"free", 2**64 - 1))
    assert not is_joined(path)


def test_sound_of_joined_avi_files_is_whole(tmp_path: Path) -> None:
    """What the first one's header states of its length is no word on the second one."""
    path = made(tmp_path / "a.avi", "mpeg4", "ac3")
    n = len(load_audio(path))
    path.write_bytes(2 * path.read_bytes())
    assert len(load_audio(path)) > 1.9 * n
    assert sum(1 for _ in VideoReader(path)) == 2 * N


def test_images_of_another_codec_are_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (
        made(tmp_path / f"{codec}.ts", codec, "mp2") for codec in ("libx264", "mpeg2video")
    )
    first.write_bytes(first.read_bytes() + second.read_bytes())
    for _ in range(2):
        assert sum(1 for _ in VideoReader(first)) == N
    (said,) = caplog.messages
    assert f"images of {first} only {N} can be decoded" in said
