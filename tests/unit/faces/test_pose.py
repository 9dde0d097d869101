"""Heads of known pose, photographed by an ideal camera."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.unit.preprocess.clips import portrait
from w2l.faces import CenterFace
from w2l.faces.track import MODEL, head_pose, link


def photograph(yaw: float, pitch: float, roll: float, size: float = 80.0) -> np.ndarray:
    """The landmarks (5, 2) of a head, from as far away as 12 times the distance of its eyes."""
    a, b, c = np.radians([yaw, pitch, roll])
    aside, down, tilt = np.array([0, -a, 0]), np.array([b, 0, 0]), np.array([0, 0, c])
    turn = cv2.Rodrigues(tilt)[0] @ cv2.Rodrigues(aside)[0] @ cv2.Rodrigues(down)[0]
    seen = MODEL @ turn.T + [0, 0, 12]
    return seen[:, :2] / seen[:, 2:] * 12 * size + 300


@pytest.mark.parametrize(
    "angles",
    [(0, 0, 0), (25, 0, 0), (-45, 0, 0), (0, 20, 0), (0, -20, 0), (5, 0, 30), (20, 10, -10)],
)  # fmt: skip
@pytest.mark.parametrize("size", [12.0, 150.0])
def test_the_pose_is_found_whatever_the_size(angles, size):
    pose = head_pose(photograph(*angles, size=size))
    np.testing.assert_allclose(pose, angles, atol=5)


def test_signs_follow_the_image():
    straight = photograph(0, 0, 0)
    nose_right = straight.copy()
    nose_right[2, 0] += 20
    assert head_pose(nose_right).yaw > 10
    nose_down = straight.copy()
    nose_down[2, 1] += 20
    assert head_pose(nose_down).pitch > head_pose(straight).pitch + 10


def test_no_head_has_no_pose():
    assert head_pose(np.full((5, 2), np.nan)) is None
    assert head_pose(np.zeros((5, 2))) is None


def test_a_mirrored_portrait_is_turned_the_other_way():
    detector = CenterFace()
    poses = []
    photo = portrait(256)[..., ::-1].copy()
    for image in (photo, photo[:, ::-1].copy()):
        (faces,) = detector.detect([image])
        (track,) = link([faces])
        assert np.array_equal(track.landmarks, faces.landmarks)
        poses.append(head_pose(track.landmarks[0]))
    assert abs(poses[0].yaw + poses[1].yaw) < 4
    assert abs(poses[0].roll + poses[1].roll) < 4
