"""Still images: told by content, upright, transparency over black."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.video.made import constant, numbered, write_video
from w2l.errors import UserError
from w2l.video import VideoReader, is_image, probe, read_image
from w2l.video.image import claims_too_much


def stored(path: Path, frame: np.ndarray) -> Path:
    kind = path.suffix if path.suffix in (".png", ".jpg", ".bmp", ".webp") else ".png"
    path.write_bytes(cv2.imencode(kind, frame)[1].tobytes())
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg", "a.webp", "no_ending", "ünï.mp4"])
def test_images_are_known_by_content(tmp_path: Path, name: str) -> None:
    path = stored(tmp_path / name, numbered(7))
    assert is_image(path)
    assert np.abs(read_image(path).astype(int) - numbered(7)).max() <= 2
    info = probe(path)
    assert (info.width, info.height, info.is_image, info.has_audio) == (64, 48, True, False)
    assert len(list(VideoReader(path, fps=25))) == VideoReader(path, fps=25).count() == 1


def test_videos_and_other_files_are_no_images(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.png.mp4", [numbered(0)] * 3, constant(3, 25))
    assert not is_image(path.rename(tmp_path / "a.png"))
    (tmp_path / "b.png").write_text("no image")
    assert not is_image(tmp_path / "b.png")
    assert not is_image(tmp_path / "missing.png")
    assert not is_image(tmp_path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_transparency_is_laid_over_black(tmp_path: Path, kind: type) -> None:
    most = np.iinfo(kind).max
    frame = np.full((4, 6, 4), most, kind)
    frame[:, :2, 3], frame[:, 2:4, 3] = 0, most // 2
    read = read_image(stored(tmp_path / "a.png", frame))
    assert read.dtype == np.uint8
    assert read.shape == (4, 6, 3)
    assert [int(v) for v in read[0, :, 0]] == [0, 0, 127, 127, 255, 255]


def test_grey_and_deep_images_become_bgr(tmp_path: Path) -> None:
    assert read_image(stored(tmp_path / "g.png", numbered(3)[..., 0])).shape == (48, 64, 3)
    deep = np.full((4, 4, 3), 0x8080, np.uint16)
    assert set(np.unique(read_image(stored(tmp_path / "d.png", deep)))) == {128}


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    frame = np.zeros((20, 40, 3), np.uint8)
    frame[:, :20] = 255
    jpeg = cv2.imencode(".jpg", frame)[1].tobytes()
    # One EXIF entry: orientation (0x0112) 6, turn 90 degrees clockwise to show.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg[:2] + segment + jpeg[2:])
    read = read_image(path)
    assert read.shape == (40, 20, 3)
    assert read[:16].mean() > 240
    assert read[24:].mean() < 15


def test_damaged_images_say_so(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.png", numbered(1))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UserError, match=r"a\.png is no image"):
        read_image(path)
    (tmp_path / "e.png").write_bytes(b"")
    with pytest.raises(UserError, match="is no image"):
        read_image(tmp_path / "e.png")
    with pytest.raises(UserError, match="does not exist"):
        read_image(tmp_path / "missing.png")


def test_a_png_that_claims_gigabytes_is_refused_before_it_takes_them(tmp_path, monkeypatch):
    """By the length of a chunk, which OpenCV believes; one that was only cut off is not meant."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    whole = path.read_bytes()
    at = whole.index(b"IDAT") - 4
    assert not claims_too_much(np.frombuffer(whole, np.uint8))
    assert not claims_too_much(np.frombuffer(whole[: at + 20], np.uint8))
    path.write_bytes(whole[:at] + b"\xff\xff\xff\xf0" + whole[at + 4 :])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(UserError, match=r"a\.png is no image that can be read"):
        read_image(path)
