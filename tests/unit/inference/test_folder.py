"""A folder of numbered images is a video."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from tests.unit.video.made import number_of, numbered
from w2l.errors import UserError
from w2l.inference import Geometry, open_source


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "it's, images"
    folder.mkdir()
    for i in range(12):
        cv2.imwrite(str(folder / f"shot 2 frame {i}.png"), numbered(i))
    (folder / "notes.txt").write_text("no image")
    return folder


def shown(source) -> list[int]:
    return [number_of(image) for image in source.read(0, 100)]


def test_images_come_by_number_at_the_given_rate(folder):
    source = open_source(folder, Geometry(), still_fps=Fraction(10))
    assert (source.fps, source.height, source.width) == (10, 48, 64)
    assert shown(source) == list(range(12))
    assert [number_of(p) for p in source.read(9, 11)] == [9, 10]
    part = open_source(folder, Geometry(), start_s=0.25, end_s=0.7, still_fps=Fraction(10))
    assert shown(part) == [2, 3, 4, 5, 6]
    assert part.n_frames_estimate == 5
    second = open_source(folder, Geometry(), start_s=0.05, end_s=1.05, still_fps=Fraction(10))
    assert shown(second) == list(range(10))  # as many as of a video
    still = open_source(folder, Geometry(), static=True, start_s=0.3, still_fps=Fraction(10))
    assert [number_of(p) for p in still.read(0, 9)] == [3]


def test_images_of_several_sizes_are_refused(folder):
    cv2.imwrite(str(folder / "shot 2 frame 20.png"), np.zeros((48, 66, 3), np.uint8))
    with pytest.raises(UserError, match=r"frame 20.png is 66×48 .* 64×48"):
        shown(open_source(folder, Geometry()))


@pytest.mark.parametrize(("start", "end"), [(5, None), (-1, None), (0.2, 0.1), (0, -1)])
def test_nothing_left_is_refused(folder, start, end):
    with pytest.raises(UserError, match="leave nothing"):
        open_source(folder, Geometry(), start_s=start, end_s=end)


def test_a_folder_without_images_names_batch(tmp_path):
    with pytest.raises(UserError, match="batch="):
        open_source(tmp_path, Geometry())
