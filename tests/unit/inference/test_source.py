"""Which images are shown, and that showing them backwards holds few in memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from w2l.errors import UserError
from w2l.inference import Geometry, StillSource, open_source
from w2l.inference import source as source_module
from w2l.inference.source import images
from w2l.inference.timeline import indices, runs
from w2l.video import VideoWriter

PATH = Path("talk.mp4")


class Numbered:
    """A source whose frame i is filled with i; counts the images that are alive at once."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.path, self.fps = PATH, Fraction(25)
        self.height, self.width = 8, 8
        self.n_frames_estimate = n

    def read(self, start, stop):
        return (np.full((8, 8, 3), i, np.uint8) for i in range(start, min(stop, self.n)))


@pytest.mark.parametrize("extend", ["pingpong", "loop", "freeze"])
@pytest.mark.parametrize("n_source", [1, 2, 7])
def test_images_follow_the_runs(extend, n_source, monkeypatch):
    monkeypatch.setattr(source_module, "CHUNK_BYTES", 3 * 8 * 8 * 3)  # three images
    shown = list(images(Numbered(n_source), 31, extend))
    expected = [i for run in runs(31, n_source, extend) for i in indices(run)]
    assert [image.number for image in shown] == expected
    assert [int(image.frame[0, 0, 0]) for image in shown] == expected
    # Each is an image of its own, so that one may be drawn on.
    assert len({id(image.frame) for image in shown}) == 31


def test_backwards_is_read_in_chunks(monkeypatch):
    monkeypatch.setattr(source_module, "CHUNK_BYTES", 4 * 8 * 8 * 3)
    asked = []

    class Asked(Numbered):
        def read(self, start, stop):
            asked.append((start, stop))
            return super().read(start, stop)

    list(images(Asked(10), 15, "pingpong"))
    assert asked == [(0, 15), (5, 9), (4, 5)]


def test_geometry_is_resize_then_rotate_then_crop():
    frame = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    out = Geometry(2, 90, (5, -1, 3, 20))(frame)
    half = cv2.resize(frame, (45, 30))
    np.testing.assert_array_equal(out, np.rot90(half, -1)[5:, 3:20])
    assert out.flags.c_contiguous


@pytest.mark.parametrize(
    "bad", [{"resize_factor": 0}, {"rotate": 45}, {"crop": (0, 61, 0, -1)}, {"crop": (5, 5, 0, -1)}]
)
def test_geometry_refuses_what_leaves_nothing(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        Geometry(**bad)(np.zeros((60, 90, 3), np.uint8))


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a clip.with dots.mkv"
    with VideoWriter(path, Fraction(30), (64, 48), codec="ffv1") as writer:
        for i in range(20):
            writer.write(np.full((48, 64, 3), i * 10, np.uint8))
    return path


def test_a_photo_is_told_by_content(tmp_path):
    path = tmp_path / "photo.mp4"
    cv2.imwrite(str(tmp_path / "p.png"), np.full((40, 50, 3), 7, np.uint8))
    (tmp_path / "p.png").rename(path)
    source = open_source(path, Geometry(), still_fps=Fraction(30))
    assert isinstance(source, StillSource)
    assert (source.height, source.width, source.fps) == (40, 50, 30)
    shown = list(images(source, 4, "pingpong"))
    assert [image.number for image in shown] == [0] * 4
    shown[0].frame[:] = 0  # drawing on one leaves the others
    assert (shown[1].frame == 7).all()


def test_static_shows_the_first_image_at_the_videos_rate(video):
    source = open_source(video, Geometry(), static=True, start_s=0.1, still_fps=Fraction(25))
    assert source.fps == 30
    assert [int(p.frame[0, 0, 0]) for p in images(source, 3, "loop")] == [30] * 3


def test_start_and_end_choose_the_part(video):
    source = open_source(video, Geometry(), start_s=0.2, end_s=0.5)
    values = [int(p.frame[0, 0, 0]) // 10 for p in images(source, 12, "loop")]
    assert values == [6, 7, 8, 9, 10, 11, 12, 13, 14, 6, 7, 8]
    assert source.n_frames_estimate == 9


def test_a_start_beyond_the_end_is_refused(video):
    with pytest.raises(UserError, match="start"):
        open_source(video, Geometry(), start_s=9.0)
