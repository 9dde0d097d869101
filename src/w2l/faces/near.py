"""Faces looked for around where they are known to be, in a few pixels of the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from w2l import boxes as box_ops
from w2l.components import FaceDetector, Faces
from w2l.faces.batches import scaled

MATCH_IOU = 0.5  # of a face in two frames, or where it is expected and where it is
FACE = 80  # pixels to which a face's longer side is scaled down for the detector
MARGIN = 0.5  # of that side, around the face
MULTIPLE = 32  # networks pad frames to multiples of this
MOST_PIXELS = 0.25  # of the frame's: windows of more are no less work than the frame


class Window(NamedTuple):
    """A part of a frame with a face in it, and how it is scaled.

    Attributes:
        part: left, top, right and bottom in pixels of the frame.
        scale: at most 1.
    """

    part: tuple[int, int, int, int]
    scale: float

    @classmethod
    def around(cls, boxes: np.ndarray, shape: tuple[int, ...]) -> Window:
        """The window for a face's boxes (N, 4) in frames of some shape."""
        side = _side(boxes)
        scale = min(1.0, FACE / side)
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        size = np.maximum(1, np.rint((high - low + 2 * MARGIN * side) * scale / MULTIPLE))
        size = np.minimum(np.rint(size * MULTIPLE / scale), shape[1::-1])
        corner = np.rint(np.clip((low + high - size) / 2, 0, shape[1::-1] - size))
        left, top, right, bottom = (int(v) for v in (*corner, *(corner + size)))
        return cls((left, top, right, bottom), scale)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what the detector is shown."""
        left, top, right, bottom = self.part
        return max(1, round((bottom - top) * self.scale)), max(
            1, round((right - left) * self.scale)
        )

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """What the detector is shown of a frame."""
        left, top, right, bottom = self.part
        return scaled(frame[top:bottom, left:right], self.size)

    def nearest(self, faces: Faces, expected: np.ndarray) -> Faces | None:
        """That of the faces found in it which lies where a box (4,) is expected, if one does."""
        left, top, right, bottom = self.part
        ratio = np.array([right - left, bottom - top], np.float32) / self.size[::-1]
        corner = np.array([left, top], np.float32)
        boxes = (faces.boxes.reshape(-1, 2, 2) * ratio + corner).reshape(-1, 4)
        overlap = box_ops.iou(expected[None], boxes)[0]
        if overlap.max(initial=0) < MATCH_IOU:
            return None
        best = slice(int(overlap.argmax()), int(overlap.argmax()) + 1)
        points = None if faces.landmarks is None else faces.landmarks[best] * ratio + corner
        return Faces(boxes[best].astype(np.float32), faces.scores[best], points)


def find_near(
    detector: FaceDetector, frames: Sequence[np.ndarray], before: Faces, after: Faces
) -> list[Faces] | None:
    """The faces of each frame but the first and the last, looked for on the way between these.

    Each face has a window of its own, the same in all frames, for in another one it is found a
    little elsewhere, and smaller or larger than in the whole frame. By how much so is known of the
    first and the last frame; between them each face is moved by what lies between these two.

    Args:
        detector: finds faces.
        frames: at equal distances from each other.
        before, after: the same faces (N) in the same order, as found in the whole first and last
            frame.

    Returns:
        As many faces in each frame; None where there is none, where one is not found in some
        frame, or where the windows are not much smaller than the frame.
    """
    shape, n = frames[0].shape, len(frames)
    ways = [np.linspace(a, b, n) for a, b in zip(before.boxes, after.boxes, strict=True)]
    windows = [Window.around(way, shape) for way in ways]
    pixels = sum(window.size[0] * window.size[1] for window in windows)
    if not windows or pixels > MOST_PIXELS * shape[0] * shape[1]:
        return None
    shown = [window.cut(frame) for window in windows for frame in frames]
    inside = iter(detector.detect(shown))
    columns = list[list[Faces]]()  # of each window, in each frame
    for window, way in zip(windows, ways, strict=True):
        nearest = [window.nearest(next(inside), expected) for expected in way]
        columns.append([face for face in nearest if face is not None])
    if any(len(column) < n for column in columns):
        return None
    first, *between, last = (_together(faces) for faces in zip(*columns, strict=True))
    ends = (first, before), (last, after)
    return [_moved(faces, ends, i / (n - 1)) for i, faces in enumerate(between, 1)]


def _moved(faces: Faces, ends: Sequence[tuple[Faces, Faces]], share: float) -> Faces:
    """Faces that are moved as they are at the ends, from where they are seen to where they are."""

    def move(value: np.ndarray, *of: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        (a, b), (c, d) = of
        return (value + (1 - share) * (b - a) + share * (d - c)).astype(np.float32)

    points = None
    known = [
        (a.landmarks, b.landmarks)
        for a, b in ends
        if a.landmarks is not None and b.landmarks is not None
    ]
    if faces.landmarks is not None and len(known) == len(ends):
        points = move(faces.landmarks, *known)
    boxes = move(faces.boxes, *((a.boxes, b.boxes) for a, b in ends))
    scores = move(faces.scores, *((a.scores, b.scores) for a, b in ends)).clip(0, 1)
    return Faces(boxes, scores, points)


def _side(boxes: np.ndarray) -> float:
    return max(1.0, float((boxes[:, 2:] - boxes[:, :2]).max(axis=1).mean()))


def _together(faces: Sequence[Faces]) -> Faces:
    points = [face.landmarks for face in faces if face.landmarks is not None]
    return Faces(
        np.concatenate([face.boxes for face in faces]),
        np.concatenate([face.scores for face in faces]),
        np.concatenate(points) if len(points) == len(faces) else None,
    )
