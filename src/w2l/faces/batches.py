"""Frames of any sizes as batches of one size, scaled down for a detector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from w2l.components import Faces

Found = tuple[np.ndarray, np.ndarray, np.ndarray]


def in_batches(
    frames: Sequence[np.ndarray], size: int, pixels: int, find: Callable[[np.ndarray], list[Found]]
) -> list[Faces]:
    """Faces of each frame, by a detector that takes frames of one size.

    Args:
        frames: uint8 (H, W, 3) BGR each.
        size: frames with a longer side than this are scaled down to it.
        pixels: how many there may be in a batch.
        find: from uint8 (B, h, w, 3) BGR to boxes (N, 4), scores (N,) and landmarks (N, 5, 2) of
            each, in pixels of what it is given.
    """
    faces = [Faces.none()] * len(frames)
    for chunk, inner in chunks(frames, size, pixels):
        height, width = frames[chunk[0]].shape[:2]
        ratio = np.array([width / inner[1], height / inner[0]], dtype=np.float32)
        limit = np.array([width, height], dtype=np.float32)
        found = find(np.stack([scaled(frames[i], inner) for i in chunk]))
        for i, (boxes, scores, landmarks) in zip(chunk, found, strict=True):
            boxes = np.clip(boxes.reshape(-1, 2, 2) * ratio, 0, limit).reshape(-1, 4)
            faces[i] = Faces(
                boxes.astype(np.float32),
                scores.astype(np.float32),
                (landmarks * ratio).astype(np.float32),
            )
    return faces


def chunks(
    frames: Sequence[np.ndarray], size: int, pixels: int
) -> Iterator[tuple[list[int], tuple[int, int]]]:
    """Numbers of frames that go through a network together, and its (height, width) for them.

    Args:
        frames, size, pixels: as for `in_batches`.

    Raises:
        ValueError: a frame is none.
    """
    by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, frame in enumerate(frames):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"expected (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
        by_shape[frame.shape].append(i)
    for (height, width, _), indices in by_shape.items():
        scale = min(1.0, size / max(height, width))
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        count = max(1, pixels // (inner[0] * inner[1]))
        for start in range(0, len(indices), count):
            yield indices[start : start + count], inner


def scaled(frame: np.ndarray, inner: tuple[int, int]) -> np.ndarray:
    """A frame scaled to `inner` (height, width); by area, so that small faces keep their shape."""
    if frame.shape[:2] == inner:
        return frame
    return cv2.resize(frame, inner[::-1], interpolation=cv2.INTER_AREA)
