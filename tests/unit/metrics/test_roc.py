"""The ROC against cases done by hand, and its area against the rank test of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from w2l.metrics import roc


def test_by_hand():
    curve = roc([0.9, 0.8, 0.4], [0.7, 0.3, 0.2, 0.1])
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.4, 0.3, 0.2, 0.1]
    assert curve.true_accepts == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1, 1])
    assert curve.false_accepts == pytest.approx([0, 0, 0, 0.25, 0.25, 0.5, 0.75, 1])
    assert curve.auc == pytest.approx(11 / 12)  # of 12 pairs one is the wrong way round
    # At 0.7 a quarter of the others is accepted and a third of the true ones refused.
    assert curve.eer == pytest.approx((1 / 4 + 1 / 3) / 2)
    assert curve.threshold == pytest.approx(0.55)  # between 0.7 and 0.4


def test_separated_scores_have_their_threshold_between_them():
    curve = roc([2.0, 3.0], [0.0, 1.0])
    assert (curve.auc, curve.eer, curve.threshold) == (1.0, 0.0, 1.5)
    assert roc([0.0, 1.0], [2.0, 3.0]).auc == 0


@pytest.mark.parametrize("seed", range(5))
def test_area_is_that_of_the_rank_test(seed):
    rng = np.random.default_rng(seed)
    own, others = rng.normal(0.5, 1, 40).round(1), rng.normal(0, 1, 70).round(1)  # with ties
    want = stats.mannwhitneyu(own, others).statistic / (len(own) * len(others))
    assert roc(own, others).auc == pytest.approx(want)


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="both kinds"):
        roc([], [1.0])
    with pytest.raises(ValueError, match="NaN"):
        roc([float("nan")], [1.0])
