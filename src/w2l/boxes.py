"""Boxes and their arithmetic.

A box is (left, top, right, bottom) in pixels, right and bottom excluded; many boxes are an array
(..., 4). In a float array a missing box is a row of NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from w2l.errors import UserError

PUBLISHED_PADS = (0, 10, 0, 0)  # top, bottom, left, right: the release's, for boxes of S3FD


def from_tblr(box: Sequence[float]) -> np.ndarray:
    """Turn [top, bottom, left, right], the order of `box=` and `pads=`, into a box (4,) float32.

    Raises:
        UserError: not four numbers, or nothing inside.
    """
    try:
        values = np.asarray(box, dtype=np.float32)
    except (OverflowError, TypeError, ValueError):
        values = np.zeros(0, np.float32)
    if values.shape != (4,) or not np.isfinite(values).all():
        raise UserError(f"box={box} must be four numbers: [top, bottom, left, right].")
    top, bottom, left, right = values
    if min(top, left) < 0 or bottom <= top or right <= left:
        raise UserError(
            f"box={list(box)} holds nothing: [top, bottom, left, right] needs 0 <= top < bottom "
            "and 0 <= left < right."
        )
    return np.array([left, top, right, bottom], dtype=np.float32)


def valid(boxes: np.ndarray) -> np.ndarray:
    """Which boxes (..., 4) are present, that is, hold no NaN: (...) bool."""
    return np.isfinite(boxes).all(axis=-1)


def area(boxes: np.ndarray) -> np.ndarray:
    """Area in square pixels of boxes (..., 4); 0 where a box is inside out, NaN where missing."""
    size = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return size[..., 0] * size[..., 1]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each box of `a` (N, 4) with each of `b` (M, 4): (N, M) float.

    0 where either is missing or both are empty.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = area(np.concatenate([top_left, bottom_right], axis=-1))
    union = area(a)[:, None] + area(b)[None, :] - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) float.
        scores: (N,) float.
        threshold: a box whose IoU with a kept, better one is this or more is dropped.

    Returns:
        Indices (K,) of the boxes kept, best first; ties in the order given.
    """
    left = np.argsort(-scores, kind="stable")
    kept = []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[iou(boxes[best : best + 1], boxes[left])[0] < threshold]
    return np.array(kept, dtype=np.int64)


def pad(boxes: np.ndarray, pads: Sequence[int], height: int, width: int) -> np.ndarray:
    """Widen boxes by `pads` and clip them to the image, with the published arithmetic.

    Boxes are clipped at 0 and truncated to integers before the pads are added.

    Args:
        boxes: (N, 4), none missing.
        pads: (top, bottom, left, right) pixels; negative ones narrow the box.
        height: of the image.
        width: of the image.

    Returns:
        (N, 4) int32.

    Raises:
        UserError: the pads leave nothing of a box.
        ValueError: a box is missing.
    """
    if not valid(boxes).all():
        raise ValueError("missing boxes cannot be integers: take out or fill them before padding")
    top, bottom, left, right = (int(value) for value in pads)
    padded = np.clip(boxes, 0, None).astype(np.int32)
    padded = padded + np.array([-left, -top, right, bottom], dtype=np.int32)
    padded[:, :2] = np.maximum(padded[:, :2], 0)
    padded[:, 2:] = np.minimum(padded[:, 2:], [width, height])
    if (padded[:, 2:] <= padded[:, :2]).any():
        raise UserError(
            f"pads={[top, bottom, left, right]} leave nothing of a face box within the "
            f"{width}x{height} image: use larger ones."
        )
    return padded


def smooth(boxes: np.ndarray, window: int = 5) -> np.ndarray:
    """Smooth integer boxes exactly as the published inference does.

    Each box becomes the mean of itself and the `window` - 1 after it, truncated to integers. It
    works in place, so near the end, where every box takes the last `window` entries, some of these
    are smoothed already. (With fewer boxes than `window` the published slice counts from the end:
    it takes the last `window` - N of them.)

    Args:
        boxes: (N, 4) int; left as it is.
        window: frames.

    Returns:
        (N, 4) of the same dtype.
    """
    boxes = boxes.copy()
    for i in range(len(boxes)):
        start = i if i + window <= len(boxes) else len(boxes) - window
        boxes[i] = boxes[start:][:window].mean(axis=0)
    return boxes


def smooth_centred(boxes: np.ndarray, window: int = 5, cut_iou: float = 0.4) -> np.ndarray:
    """Smooth boxes without lag, never across a cut or a missing box.

    The window is centred and shrinks towards the ends of a run, so steady motion stays as it is.

    Args:
        boxes: (N, 4) float, NaN where missing.
        window: frames, odd.
        cut_iou: consecutive boxes that overlap less than this belong to different runs.

    Returns:
        (N, 4) float64, NaN where `boxes` is.
    """
    smoothed = np.array(boxes, dtype=np.float64)
    for start, stop in _runs(smoothed, cut_iou):
        index = np.arange(stop - start)
        half = np.minimum(np.minimum(index, index[::-1]), window // 2)
        total = np.concatenate([np.zeros((1, 4)), smoothed[start:stop].cumsum(axis=0)])
        smoothed[start:stop] = (total[index + half + 1] - total[index - half]) / (
            2 * half[:, None] + 1
        )
    return smoothed


def _runs(boxes: np.ndarray, cut_iou: float) -> Iterator[tuple[int, int]]:
    """(start, stop) of each stretch of present boxes (N, 4) in which neighbours overlap enough."""
    present = valid(boxes)
    start = None
    for i in range(len(boxes) + 1):
        joined = (
            start is not None
            and i < len(boxes)
            and present[i]
            and iou(boxes[i - 1 : i], boxes[i : i + 1])[0, 0] >= cut_iou
        )
        if joined:
            continue
        if start is not None:
            yield start, i
        start = i if i < len(boxes) and present[i] else None


def interpolate(boxes: np.ndarray, max_gap: int) -> np.ndarray:
    """Fill gaps of at most `max_gap` missing boxes linearly; longer ones, and the ends, stay.

    Args:
        boxes: (N, 4) float, NaN where missing.
        max_gap: frames.

    Returns:
        (N, 4) of the same dtype.
    """
    filled = np.array(boxes)
    present = np.flatnonzero(valid(filled))
    for before, after in pairwise(present):
        if 1 < after - before <= max_gap + 1:
            share = (np.arange(before + 1, after) - before)[:, None] / (after - before)
            filled[before + 1 : after] = (1 - share) * filled[before] + share * filled[after]
    return filled


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of True in (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def crop(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The part of `frame` (H, W, ...) inside an integer `box` (4,): a view, so it can be set.

    Raises:
        ValueError: the box is empty or reaches out of the frame.
    """
    left, top, right, bottom = (int(value) for value in box)
    height, width = frame.shape[:2]
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"box {[left, top, right, bottom]} is empty or not in {width}x{height}")
    return frame[top:bottom, left:right]
