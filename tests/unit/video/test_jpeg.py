"""The JPEG dump of published scoring, against files that FFmpeg's own command wrote."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tests.unit.video.made import constant, write_video
from w2l.video import VideoReader, jpeg_frames, jpeg_roundtrip

# `ffmpeg -i x.mkv -threads 1 -f image2 %06d.jpg` (FFmpeg 5.1.9), x.mkv as `source` makes it.
DUMP = Path(__file__).parent / "jpeg_dump.npz"
SIZE = (96, 64)


def planes(t: int) -> list[np.ndarray]:
    """Image t in limited-range 4:2:0, with every level and much detail."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width]
    detail = 16 + ((x * 3 + y * 5 + t * 11) ^ (x * y // 7 + t * 3)) % 220
    slope = 16 + (x + 2 * y + 4 * t) % 220
    luma = np.where((x // 12 + y // 8 + t) % 3 == 0, detail, slope)
    v, u = np.mgrid[: height // 2, : width // 2]
    blue, red = 16 + (u * 4 + t * 9 + v) % 225, 16 + (v * 5 + t * 7 + u // 2) % 225
    return [plane.astype(np.uint8) for plane in (luma, blue, red)]


def source(path: Path, n: int = 12) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for t in range(n):
            rows = np.concatenate([plane.reshape(-1, SIZE[0]) for plane in planes(t)])
            frame = av.VideoFrame.from_ndarray(rows, format="yuv420p")
            frame.pts, frame.time_base = t, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_the_dump_equals_ffmpegs_pixel_for_pixel(tmp_path: Path) -> None:
    with np.load(DUMP) as dump:
        expected = [cv2.imdecode(dump[name], cv2.IMREAD_COLOR) for name in sorted(dump)]
    frames = list(jpeg_frames(source(tmp_path / "x.mkv")))
    assert len(frames) == len(expected) == 12
    for frame, image in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame, image)


def test_images_in_memory_are_treated_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (8, 240, 320, 1), dtype=np.uint8).repeat(3, axis=3))
    path = write_video(tmp_path / "x.mkv", images, constant(8, 25), codec="ffv1", pix_fmt="yuv420p")
    plain = list(VideoReader(path))
    direct, through = list(jpeg_frames(path)), list(jpeg_roundtrip(plain))
    # Standard deviations, because reading BGR darkens by a level.
    lost = np.array([(a.astype(int) - b).std() for a, b in zip(direct, plain, strict=True)])
    lost_too = np.array([(a.astype(int) - b).std() for a, b in zip(through, plain, strict=True)])
    # The rate control lets the loss rise and fall: both ways follow the same course.
    assert lost.max() > 3 * lost.min()
    np.testing.assert_allclose(lost_too, lost, rtol=0.25)
    assert (direct[-1].astype(int) - through[-1]).std() < lost[-1] / 3


def test_gaps_repeat_a_image_and_odd_sizes_work(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (4, 9, 7, 3), dtype=np.uint8)
    images = [cv2.resize(p, (53, 35)) for p in small]
    times = [constant(6, 25)[i] for i in (0, 1, 4, 5)]
    path = write_video(tmp_path / "x.mkv", images, times, codec="ffv1", pix_fmt="yuv420p")
    frames = list(jpeg_frames(path, fps=25))
    assert [f.shape for f in frames] == [(35, 53, 3)] * 6
    plain = list(VideoReader(path, fps=25))
    for frame, image in zip(frames, plain, strict=True):
        assert np.abs(frame.astype(int) - image).mean() < 12
