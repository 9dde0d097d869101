"""How well a score tells pairs that belong together from pairs that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Roc(NamedTuple):
    """The receiver operating characteristic of a score that is higher where a pair belongs.

    Attributes:
        thresholds: (n + 1,) falling, first infinity; a pair is accepted at this score or more.
        false_accepts: (n + 1,) rising: fraction of the other pairs accepted there.
        true_accepts: (n + 1,) rising: fraction of the true pairs accepted there.
        auc: area under the curve: how often a true pair scores higher than another (ties: half).
        eer: equal error rate: where as large a fraction of the others is accepted as of the true
            ones is refused, or, between two thresholds, the mean of the two where they are nearest.
        threshold: midway between the two scores at which that is.
    """

    thresholds: np.ndarray
    false_accepts: np.ndarray
    true_accepts: np.ndarray
    auc: float
    eer: float
    threshold: float


def roc(positives: Sequence[float], negatives: Sequence[float]) -> Roc:
    """The curve of two sets of scores.

    Args:
        positives: scores of pairs that belong together.
        negatives: of pairs that do not.

    Raises:
        ValueError: either is empty, or a score is NaN.
    """
    true, other = (np.sort(np.asarray(scores, np.float64)) for scores in (positives, negatives))
    if not len(true) or not len(other) or np.isnan(true).any() or np.isnan(other).any():
        raise ValueError("a ROC needs scores of both kinds, none of them NaN")
    scores = np.unique(np.concatenate([true, other]))[::-1]
    thresholds = np.concatenate([[np.inf], scores])
    accepts = [1 - np.searchsorted(values, thresholds) / len(values) for values in (other, true)]
    false_accepts, true_accepts = accepts
    gap = np.abs(false_accepts - (1 - true_accepts))
    best = int(gap.argmin())
    below = scores[best] if best < len(scores) else scores[-1]
    at = scores[best - 1] if best else scores[0]
    return Roc(
        thresholds,
        false_accepts,
        true_accepts,
        auc=float(np.diff(false_accepts) @ (true_accepts[1:] + true_accepts[:-1]) / 2),
        eer=float((false_accepts[best] + 1 - true_accepts[best]) / 2),
        threshold=float((at + below) / 2),
    )
