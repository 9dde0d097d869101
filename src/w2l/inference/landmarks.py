"""The five landmarks of the chosen face, frame by frame, beside its boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from w2l import boxes as box_ops
from w2l.components import Faces

SAME = 0.5  # IoU of a detected box with the chosen one, from which on it is that face


def landmarks_of(
    found: Sequence[Faces], boxes: np.ndarray, steady: np.ndarray
) -> np.ndarray | None:
    """Landmarks of the faces whose boxes were chosen, steadied as these are.

    Where a box was interpolated or held, so is the landmarks' place in it.

    Args:
        found: each frame's faces.
        boxes: each frame's chosen box (N, 4) as detected, NaN where missing.
        steady: the same, smoothed.

    Returns:
        (N, 5, 2) float32, NaN where the box is; None where the detector gives no landmarks.
    """
    frames, shares = [], []
    for frame, faces in enumerate(found):
        if faces.landmarks is None or not len(faces.boxes):
            continue
        overlap = box_ops.iou(boxes[frame : frame + 1], faces.boxes)[0]
        if overlap.max() >= SAME:
            frames.append(frame)
            box = faces.boxes[overlap.argmax()]
            shares.append((faces.landmarks[overlap.argmax()] - box[:2]) / (box[2:] - box[:2]))
    if not frames:
        return None
    known = np.stack(shares).reshape(len(frames), 10)
    every = np.arange(len(boxes))
    filled = np.stack([np.interp(every, frames, column) for column in known.T], axis=1)
    size = steady[:, None, 2:] - steady[:, None, :2]
    points = steady[:, None, :2] + filled.reshape(-1, 5, 2) * size
    return points.astype(np.float32)


def mouth_in(box: np.ndarray, landmarks: np.ndarray) -> tuple[float, float, float]:
    """Where the mouth lies in a box: centre x, centre y and width, as shares of the box.

    Args:
        box: (left, top, right, bottom).
        landmarks: (5, 2), the last two the mouth's corners.
    """
    left, top, right, bottom = (float(v) for v in box)
    x, y = landmarks[3:].astype(float).mean(axis=0)
    width = float(np.hypot(*(landmarks[4] - landmarks[3])))
    return (x - left) / (right - left), (y - top) / (bottom - top), width / (right - left)
