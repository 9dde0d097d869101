"""Steady detail where nothing moves, none of the past where something does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from w2l.restoration import DetailSmoother

BOX = np.array([10, 10, 74, 74])
GIVEN = np.full((64, 64, 3), 100, np.uint8)


def flickering(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(GIVEN + rng.integers(-20, 21, GIVEN.shape)).astype(np.uint8) for _ in range(n)]


def change(frames: list[np.ndarray]) -> float:
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(frames)]))


@pytest.mark.parametrize(("keep", "least", "most"), [(0.0, 1.0, 1.0), (0.5, 0.3, 0.5),
                                                     (0.8, 0.05, 0.25)])  # fmt: skip
def test_detail_flickers_less_where_nothing_moves(keep, least, most):
    """Of white noise an exponential mean leaves √((1−k)/(1+k)), and of its steps (1−k) of that."""
    smoother = DetailSmoother(keep)
    restored = flickering(40)
    smooth = [smoother(GIVEN, each, BOX) for each in restored][10:]
    ratio = change(smooth) / change([each.astype(np.float32) for each in restored[10:]])
    assert least <= ratio <= most
    assert abs(np.mean(smooth) - 100) < 0.5


def test_what_moves_has_no_past():
    """The left half of the given crop changes by 60 levels: there the new detail counts alone."""
    smoother = DetailSmoother(0.8)
    first, second = flickering(2)
    smoother(GIVEN, first, BOX)
    moved = GIVEN.copy()
    moved[:, :24] += 60
    shown = (second.astype(int) + moved - GIVEN).astype(np.uint8)
    smooth = smoother(moved, shown, BOX)
    np.testing.assert_allclose(smooth[:, :16], shown[:, :16], atol=0.01)
    assert np.abs(smooth[:, 40:] - shown[:, 40:]).mean() > 2


@pytest.mark.parametrize("how", ["box", "picture", "gap"])
def test_it_starts_anew_at_a_cut_and_after_a_gap(how):
    smoother = DetailSmoother(0.8)
    first, second = flickering(2)
    smoother(GIVEN, first, BOX)
    given, box = GIVEN, BOX
    if how == "box":
        box = BOX + 50
    elif how == "picture":
        given, second = GIVEN + 40, second + 40
    else:
        smoother.reset()
    np.testing.assert_array_equal(smoother(given, second, box), second)


def test_crops_may_change_their_size():
    smoother = DetailSmoother(0.5)
    smoother(GIVEN, GIVEN + 20, BOX)
    smaller = GIVEN[:60, :62]
    out = smoother(smaller, smaller, BOX)
    assert out.shape == smaller.shape
    np.testing.assert_allclose(out, 110, atol=0.01)  # half of the 20 that were added before
