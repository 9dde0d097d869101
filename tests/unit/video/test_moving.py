"""Images that move though their files begin like stills, and images woven of two fields."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tests.unit.video.made import constant, number_of, numbered, write_video
from w2l.errors import UserError
from w2l.inference.geometry import Geometry
from w2l.inference.source import VideoSource, open_source
from w2l.video import VideoReader, is_image, probe, read_image


def piped(path: Path, n: int = 8, kind: str = "jpg") -> Path:
    images = [cv2.imencode(f".{kind}", numbered(i))[1].tobytes() for i in range(n)]
    path.write_bytes(b"".join(images))
    return path


def animated(path: Path, n: int = 8, **options: object) -> Path:
    images = [Image.fromarray(numbered(i)) for i in range(n)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=80, **options)
    return path


def test_images_one_behind_the_other_play(tmp_path: Path) -> None:
    """As `ffmpeg -f image2pipe` writes them, raw MJPEG among them."""
    for name, n, kind in (
        ("in.mjpeg", 8, "jpg"), ("in.jpg", 2, "jpg"), ("in.png", 3, "png"), ("in.bmp", 3, "bmp"),
        ("in.ppm", 3, "ppm"),
    ):  # fmt: skip
        path = piped(tmp_path / name, n, kind)
        assert not is_image(path)
        assert [number_of(image) for image in VideoReader(path, fps=25)] == list(range(n))


def test_of_a_tiff_with_pages_the_first_is_taken_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pages = [Image.fromarray(numbered(i)) for i in range(3)]
    pages[0].save(tmp_path / "in.tif")
    read_image(tmp_path / "in.tif")
    assert not caplog.text
    pages[1].save(tmp_path / "several.tif", save_all=True, append_images=pages[2:])
    assert number_of(read_image(tmp_path / "several.tif")) == 1
    read_image(tmp_path / "several.tif")
    (said,) = caplog.messages
    assert "several.tif has 2 pages" in said


@pytest.mark.parametrize("name", ["in.png", "in.webp"])
def test_animated_png_and_webp_play(tmp_path: Path, name: str) -> None:
    path = animated(tmp_path / name, **({"lossless": True} if name == "in.webp" else {}))
    assert not is_image(path)
    info = probe(path)
    assert (info.fps, info.duration_s) == (Fraction(25, 2), pytest.approx(0.64))
    assert (info.width, info.height, info.has_audio) == (64, 48, False)
    whole = [number_of(image) for image in VideoReader(path, fps=25)]
    assert whole == [i // 2 for i in range(16)]
    assert [number_of(p) for p in VideoReader(path, fps=25).read(6, 9)] == [3, 3, 4]
    assert isinstance(open_source(path, Geometry()), VideoSource)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UserError, match=name):
        probe(path)


def test_stills_stay_stills(tmp_path: Path) -> None:
    """One image, one image with a smaller one behind it, and several that are one photo."""
    large, small = (
        cv2.imencode(".jpg", numbered(3, size))[1].tobytes() for size in ((64, 48), (32, 24))
    )
    several = large[:2] + b"\xff\xe2\0\x08MPF\0ab" + large[2:]
    for content in (large, large + small, several + large, large + b"\0" * 9):
        path = tmp_path / "in.jpg"
        path.write_bytes(content)
        assert is_image(path)
        assert VideoReader(path).count() == 1
    for name in ("in.png", "in.webp", "in.bmp", "in.ppm"):
        Image.fromarray(numbered(3)).save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b"\0" * 9)
        assert is_image(tmp_path / name)
    Image.fromarray(numbered(3)).save(tmp_path / "in.gif")
    assert VideoReader(tmp_path / "in.gif").fps == 25  # it states 100


def woven(path: Path, n: int = 20) -> Path:
    """A bar that moves by 8 pixels from field to field, top field first."""
    fields = np.full((2 * n, 48, 64, 3), 20, np.uint8)
    for i, field in enumerate(fields):
        field[:, (8 * i) % 64 : (8 * i) % 64 + 8] = 235
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.qmin = stream.codec_context.qmax = 2
        for i in range(n):
            image = fields[2 * i].copy()
            image[1::2] = fields[2 * i + 1][1::2]
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def combs(image: np.ndarray) -> float:
    """How much each line differs from both its neighbours."""
    lines = image.astype(int)
    return float(np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:]).mean())


def test_interlaced_images_are_made_whole(tmp_path: Path) -> None:
    path = woven(tmp_path / "in.mkv")
    info = probe(path)
    assert info.is_interlaced
    whole, left = list(VideoReader(path)), list(VideoReader(path, deinterlace=False))
    assert len(whole) == len(left) == 20
    assert all(combs(a) < 0.2 * combs(b) for a, b in zip(whole, left, strict=True))
    for reader in (VideoReader(path), VideoReader(path, fps=25)):
        np.testing.assert_array_equal(list(reader.read(13, 16)), whole[13:16])
    assert VideoSource(path, Geometry()).is_deinterlaced
    assert not VideoSource(path, Geometry(), deinterlace=False).is_deinterlaced


def test_progressive_images_stay_as_they_are(tmp_path: Path) -> None:
    path = write_video(tmp_path / "in.mp4", [numbered(i) for i in range(5)], constant(5, 25))
    assert not probe(path).is_interlaced
    np.testing.assert_array_equal(
        list(VideoReader(path)), list(VideoReader(path, deinterlace=False))
    )
