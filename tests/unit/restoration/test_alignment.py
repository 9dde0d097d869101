"""Crops: where they lie, and the way back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from w2l.restoration import Framing, frame_face
from w2l.restoration.alignment import FFHQ_512

BOX = np.array([60, 40, 160, 180])


@pytest.fixture
def image():
    noise = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    return cv2.resize(noise, (300, 240), interpolation=cv2.INTER_CUBIC)


def turned(degrees: float, scale: float) -> np.ndarray:
    """FFHQ's points in an image: turned, scaled, somewhere else."""
    matrix = cv2.getRotationMatrix2D((256, 256), degrees, scale) + [[0, 0, -140], [0, 0, -140]]
    return (matrix[:, :2] @ FFHQ_512.T).T + matrix[:, 2]


@pytest.mark.parametrize(("degrees", "scale"), [(0, 0.3), (20, 0.25), (-35, 0.5)])
def test_landmarks_come_to_lie_where_ffhq_has_them(degrees, scale):
    points = turned(degrees, scale)
    framing = frame_face(BOX, points.astype(np.float32), 256, aligned=True)
    assert framing.size == (256, 256)
    found = points @ framing.matrix[:, :2].T + framing.matrix[:, 2]
    assert np.abs(found - FFHQ_512 / 2).max() < 0.01


@pytest.mark.parametrize("landmarks", [None, turned(20, 0.25).astype(np.float32)])
@pytest.mark.parametrize("size", [512, 128, 50])
def test_there_and_back_is_the_image(image, landmarks, size):
    framing = frame_face(BOX, landmarks, size, aligned=True)
    back = framing.back(framing.cut(image).astype(np.float32), BOX)
    given = image[40:180, 60:160].astype(float)
    assert back.shape == given.shape
    covered = framing.back(np.ones((size, size), np.float32), BOX) > 0.999
    inner = covered & (framing.back(_frame(size), BOX) > 0.999)
    assert inner.mean() > 0.5
    error = np.abs(back - given)[inner]
    assert error.mean() < (1.0 if size > 50 else 6.0)  # at 50 px detail is lost, nothing moves


def _frame(size: int) -> np.ndarray:
    """1 but for a rim, beyond which the crop ends."""
    inside = np.zeros((size, size), np.float32)
    inside[3:-3, 3:-3] = 1
    return inside


def test_an_upscaled_crop_comes_back_to_the_same_place(image):
    framing = frame_face(BOX, None, 200, aligned=False)
    larger = cv2.resize(framing.cut(image), (400, 400), interpolation=cv2.INTER_CUBIC)
    back = framing.back(larger, BOX)
    assert np.abs(back.astype(int) - image[40:180, 60:160]).mean() < 1.0


def test_a_native_crop_is_the_box_to_the_bit():
    noise = np.random.default_rng(1).integers(0, 256, (240, 300, 3), dtype=np.uint8)
    framing = Framing.native(BOX)
    np.testing.assert_array_equal(framing.cut(noise), noise[40:180, 60:160])
    np.testing.assert_array_equal(framing.back(framing.cut(noise), BOX), noise[40:180, 60:160])


def test_without_landmarks_the_crop_is_ffhqs_usual_one():
    framing = frame_face(np.array([0, 0, 100, 140]), None, 512, aligned=True)
    eyes, mouth = FFHQ_512[:2].mean(axis=0), FFHQ_512[3:].mean(axis=0)
    inverse = cv2.invertAffineTransform(framing.matrix)
    for point, share in ((eyes, 0.41), (mouth, 0.74)):  # of the box's height
        x, y = inverse[:, :2] @ point + inverse[:, 2]
        assert x == pytest.approx(51, abs=2)
        assert y / 140 == pytest.approx(share, abs=0.03)
