"""Files that no program should stumble over: odd names, unknown codecs, far too many pixels."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.video.made import constant, numbered, sweep, write_video
from w2l import media
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.video import VideoReader, VideoWriter, is_image, probe, read_image
from w2l.video.image import over_black

LATIN_1 = os.fsdecode(b"caf\xe9")


def with_codec(path: Path, other: bytes) -> Path:
    """A video with sound whose images are in a codec that nobody knows."""
    write_video(path, [numbered(i) for i in range(5)], constant(5, 25), sound=sweep(3200, 16_000))
    content = path.read_bytes()
    assert b"avc1" in content
    path.write_bytes(content.replace(b"avc1", other))
    return path


def large_png(path: Path, side: int) -> Path:
    """A PNG that states side × side pixels; they are not even there."""
    path.write_bytes(cv2.imencode(".png", numbered(0))[1].tobytes())
    content = bytearray(path.read_bytes())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    return path


@pytest.mark.skipif(os.name == "nt", reason="names are UTF-16 there")
def test_a_name_that_is_no_utf8_is_read_and_written(tmp_path: Path) -> None:
    frame, video = tmp_path / f"{LATIN_1}.png", tmp_path / f"{LATIN_1}.mp4"
    frame.write_bytes(cv2.imencode(".png", numbered(7))[1].tobytes())
    with VideoWriter(video, 25, (64, 48)) as writer:
        writer.write(numbered(7))
    assert is_image(frame)
    assert not is_image(video)
    assert [len(list(VideoReader(path))) for path in (frame, video)] == [1, 1]


def test_no_name_reaches_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own file access ends the process on some names, and knows few on Windows."""

    def refuse(*_: object) -> None:
        raise AssertionError("a name was given to OpenCV")

    for function in ("haveImageReader", "imread", "imcount", "imreadmulti"):
        monkeypatch.setattr(cv2, function, refuse)
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", numbered(7))[1].tobytes())
    assert is_image(path)
    assert probe(path).is_image


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm", ".hdr"])
def test_is_image_knows_what_opencv_reads(tmp_path: Path, ending: str) -> None:
    frame = numbered(3).astype(np.float32) / 255 if ending == ".hdr" else numbered(3)
    (tmp_path / "a").write_bytes(cv2.imencode(ending, frame)[1].tobytes())
    assert is_image(tmp_path / "a")
    assert read_image(tmp_path / "a").shape == (48, 64, 3)


def test_an_unknown_codec_is_one_sentence(tmp_path: Path) -> None:
    path = with_codec(tmp_path / "a.mp4", b"zzz9")
    with pytest.raises(UserError, match=r"a\.mp4 cannot be decoded: its images are in a codec"):
        probe(path)
    assert len(load_audio(path)) == 3200, "its sound is as good as any"


@pytest.mark.parametrize("side", [11_600, 16_000, 60_000])
def test_too_many_pixels_are_refused_by_the_header(
    tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = large_png(tmp_path / "a.png", side)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UserError, match=r"134 million pixels"):
        read_image(path)


def test_too_large_a_video_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", [numbered(i) for i in range(3)], constant(3, 25))
    assert probe(path).width == 64
    monkeypatch.setattr(media, "MOST_PIXELS", 64 * 48 - 1)
    with pytest.raises(UserError, match="images of 64×48"):
        media_size(path)


def media_size(path: Path) -> int:
    with media.open_media(path) as container:
        return media.video_stream(container, path).codec_context.width


def test_transparency_needs_little_memory_and_is_the_same_in_bands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (37, 11, 4), np.uint8)
    whole = over_black(frame)
    monkeypatch.setattr("w2l.video.image._BAND_PIXELS", 40)
    assert np.array_equal(over_black(frame), whole)
    expected = np.rint(frame[..., :3] * (frame[..., 3:] / 255))
    assert np.abs(whole - expected).max() <= 1
