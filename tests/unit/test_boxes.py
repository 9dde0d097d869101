"""Boxes: overlap, suppression, padding, smoothing, gaps, crops."""

from __future__ import annotations

import numpy as np
import pytest

from w2l import boxes as box_ops
from w2l.errors import UserError

NAN = [np.nan] * 4


def iou_slowly(a: list[int], b: list[int]) -> float:
    """Overlap of two integer boxes by counting pixels."""
    pixels = [
        {(x, y) for x in range(left, right) for y in range(top, bottom)}
        for left, top, right, bottom in (a, b)
    ]
    union = pixels[0] | pixels[1]
    return len(pixels[0] & pixels[1]) / len(union) if union else 0.0


def random_boxes(n: int, seed: int, size: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, size, (n, 2))
    return np.concatenate([corner, corner + rng.integers(1, size // 2, (n, 2))], axis=1)


def test_iou_counts_pixels() -> None:
    a, b = random_boxes(6, 0), random_boxes(8, 1)
    expected = [[iou_slowly(x, y) for y in b.tolist()] for x in a.tolist()]
    np.testing.assert_allclose(box_ops.iou(a, b), expected)
    assert np.count_nonzero(expected) >= 10


def test_iou_of_missing_and_empty_boxes_is_zero() -> None:
    a = np.array([NAN, [5, 5, 5, 9], [3, 3, 1, 1], [0, 0, 4, 4]])
    assert box_ops.iou(a, a)[:3].max() == 0
    assert box_ops.iou(a, a)[3, 3] == 1
    assert box_ops.iou(np.empty((0, 4)), a).shape == (0, 4)


def nms_slowly(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(box_ops.iou(boxes[[i]], boxes[[k]])[0, 0] < threshold for k in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_nms_is_greedy(threshold: float) -> None:
    boxes, scores = random_boxes(60, 2), np.random.default_rng(3).random(60)
    kept = box_ops.nms(boxes, scores, threshold)
    assert kept.tolist() == nms_slowly(boxes, scores, threshold)
    assert 1 < len(kept) < 60


def test_nms_drops_the_exact_threshold_and_keeps_what_only_a_dropped_box_covers() -> None:
    # Neighbours overlap by a half of a box (IoU 1/3), the outer two not at all.
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2]], dtype=float)
    assert box_ops.nms(boxes, np.array([0.7, 0.9, 0.8]), 1 / 3).tolist() == [1]
    assert box_ops.nms(boxes, np.array([0.9, 0.8, 0.7]), 1 / 3).tolist() == [0, 2]
    assert box_ops.nms(boxes, np.array([0.9, 0.8, 0.7]), 0.34).tolist() == [0, 1, 2]
    assert box_ops.nms(np.empty((0, 4)), np.empty(0), 0.3).shape == (0,)


def test_pad_truncates_and_clips() -> None:
    boxes = np.array([[10.9, 20.9, 50.9, 60.9], [-3.7, 2.5, 99.9, 79.5]])
    padded = box_ops.pad(boxes, (0, 10, 0, 0), height=80, width=100)
    assert padded.tolist() == [[10, 20, 50, 70], [0, 2, 99, 80]]
    assert padded.dtype == np.int32
    # The order is top, bottom, left, right.
    padded = box_ops.pad(boxes[:1], (1, 2, 3, 4), height=80, width=100)
    assert padded.tolist() == [[7, 19, 54, 62]]
    # Clipped at 0 before the pads, as the published detector's boxes are.
    assert box_ops.pad(boxes[1:], (0, 0, -5, 0), height=80, width=100)[0, 0] == 5


def test_pad_refuses_what_is_not_a_box() -> None:
    with pytest.raises(ValueError, match="missing"):
        box_ops.pad(np.array([NAN]), (0, 0, 0, 0), 10, 10)
    with pytest.raises(UserError, match="pads"):
        box_ops.pad(np.array([[0, 0, 5, 5]]), (0, -5, 0, 0), 10, 10)


def test_smooth_is_a_truncated_forward_mean_in_place() -> None:
    column = np.array([100, 103, 101, 108, 110, 111, 109])
    boxes = np.stack([column, column + 1, column + 50, column + 60], axis=1).astype(np.int32)
    smoothed = box_ops.smooth(boxes)
    # By hand: 522/5, 533/5, 539/5; then always the last five entries, smoothed ones among them:
    # (107+108+110+111+109)/5, (107+109+110+111+109)/5, ...
    assert smoothed[:, 0].tolist() == [104, 106, 107, 109, 109, 109, 108]
    assert smoothed.dtype == np.int32
    assert boxes[0, 0] == 100, "the caller's boxes stay"


def test_smooth_of_a_short_clip_takes_what_the_published_slice_takes() -> None:
    boxes = np.array([[10, 10, 20, 20], [14, 14, 24, 24], [20, 20, 30, 30]])
    assert box_ops.smooth(boxes)[:, 0].tolist() == [17, 17, 18]
    assert box_ops.smooth(boxes[:1]).tolist() == boxes[:1].tolist()
    assert box_ops.smooth(boxes[:0]).shape == (0, 4)


def test_smooth_centred_keeps_steady_motion_and_calms_noise() -> None:
    steady = np.array([[0, 0, 100, 100]]) + 3.0 * np.arange(20)[:, None]
    np.testing.assert_allclose(box_ops.smooth_centred(steady), steady)
    noisy = steady + np.random.default_rng(0).normal(0, 2, steady.shape)
    calmed = box_ops.smooth_centred(noisy)
    assert np.abs(calmed - steady)[2:-2].mean() < 0.6 * np.abs(noisy - steady)[2:-2].mean()
    np.testing.assert_allclose(calmed[5], noisy[3:8].mean(axis=0))


def test_smooth_centred_stops_at_cuts_and_missing_boxes() -> None:
    here, there = np.array([0.0, 0, 100, 100]), np.array([300.0, 0, 400, 100])
    boxes = np.stack([here] * 4 + [there] * 4 + [np.array(NAN)] * 2 + [here] * 3)
    np.testing.assert_array_equal(box_ops.smooth_centred(boxes), boxes)
    assert box_ops.smooth_centred(np.full((3, 4), np.nan)).shape == (3, 4)


def test_interpolate_fills_short_gaps_only() -> None:
    boxes = np.full((14, 4), np.nan, dtype=np.float32)
    boxes[1], boxes[6], boxes[12] = 10, 20, 32  # gaps of 4 and 5, and both ends
    filled = box_ops.interpolate(boxes, max_gap=4)
    np.testing.assert_allclose(filled[1:7, 2], [10, 12, 14, 16, 18, 20])
    assert np.isnan(filled[[0, 7, 11, 13]]).all()
    assert filled.dtype == np.float32
    assert not np.isnan(box_ops.interpolate(boxes, max_gap=5)[1:13]).any()


def test_crop_is_a_view() -> None:
    frame = np.zeros((10, 20, 3), dtype=np.uint8)
    part = box_ops.crop(frame, np.array([5, 2, 8, 10]))
    assert part.shape == (8, 3, 3)
    part[:] = 7
    assert frame[2:10, 5:8].min() == 7
    assert frame.sum() == 7 * part.size


@pytest.mark.parametrize("box", [[5, 2, 5, 9], [-1, 2, 5, 9], [5, 2, 21, 9], [5, 2, 8, 11]])
def test_crop_refuses_boxes_outside(box: list[int]) -> None:
    with pytest.raises(ValueError, match="box"):
        box_ops.crop(np.zeros((10, 20, 3)), np.array(box))


def test_from_tblr() -> None:
    assert box_ops.from_tblr([60, 230, 100, 260]).tolist() == [100, 60, 260, 230]
    for bad in (
        [1, 2, 3], [10, 10, 0, 5], [5, 9, 8, 3], [-1, 5, 0, 5], [0, float("nan"), 0, 5],
        ["a"] * 4, [[1], 2, 3, 4], {"a": 1}, "word", 5, [10**400, 2, 3, 4],
    ):  # fmt: skip
        with pytest.raises(UserError, match="box="):
            box_ops.from_tblr(bad)  # type: ignore[arg-type]
