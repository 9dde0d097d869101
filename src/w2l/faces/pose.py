"""Which way a head is turned, from five landmarks."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

# A head in units of the distance between its eyes: x to the picture's right, y down, z away from
# the camera. Means of adult faces, which the landmarks of one frame do not tell apart.
MODEL = np.array(
    [
        [-0.5, 0.0, 0.0],  # the eye that is left in the picture
        [0.5, 0.0, 0.0],
        [0.0, 0.62, -0.42],  # tip of the nose
        [-0.4, 1.12, -0.06],  # corners of the mouth
        [0.4, 1.12, -0.06],
    ]
)
FAR = 10.0  # the camera's distance in the same units: perspective then matters little


class Pose(NamedTuple):
    """Degrees; all zero: the face looks straight into the camera.

    Attributes:
        yaw: positive where the nose points to the picture's right.
        pitch: positive where it points down.
        roll: positive where the head is tilted clockwise in the picture.
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: np.ndarray) -> Pose | None:
    """The pose of one head; None where no head has such landmarks.

    Args:
        landmarks: (5, 2) pixels: the eyes, the tip of the nose, the corners of the mouth, of each
            pair first the one that is left in the picture.

    Example:
        >>> straight = head_pose(MODEL[:, :2] * 50 + 100)
        >>> abs(straight.yaw) < 1
        True
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if not np.isfinite(points).all():
        return None
    points = points - points.mean(axis=0)
    size = float(np.sqrt((points**2).sum(axis=1).mean()))
    if size == 0:
        return None
    # Scaled so that a head at distance FAR has about this size, whatever the picture's.
    points *= np.sqrt(((MODEL - MODEL.mean(axis=0))[:, :2] ** 2).sum(axis=1).mean()) / size
    camera = np.diag([FAR, FAR, 1.0])
    found, turn, _ = cv2.solvePnP(MODEL, points, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found:
        return None
    nose = cv2.Rodrigues(turn)[0]
    forward = nose @ np.array([0.0, 0.0, -1.0])
    right = nose @ np.array([1.0, 0.0, 0.0])
    return Pose(
        yaw=float(np.degrees(np.arctan2(forward[0], -forward[2]))),
        pitch=float(np.degrees(np.arcsin(np.clip(forward[1], -1, 1)))),
        roll=float(np.degrees(np.arctan2(right[1], right[0]))),
    )
