"""How well an expert tells lips that fit a sound from lips that do not.

All numbers come from the matrix of similarities of one clip, (N, N): entry (i, j) compares the face
window that starts at frame i with the sound window that starts at frame j.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from w2l.metrics.cosine import best_offset, mean_by_offset
from w2l.windows import WINDOW_FRAMES


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
        # By trapezoids: NumPy's own has two names, and SciPy's loads scipy.optimize.
        auc=float(np.diff(false_accepts) @ (true_accepts[1:] + true_accepts[:-1]) / 2),
        eer=float((false_accepts[best] + 1 - true_accepts[best]) / 2),
        threshold=float((at + below) / 2),
    )


class ExpertQuality(NamedTuple):
    """Fractions over held-out clips.

    Attributes:
        pair_accuracy: a window's similarity with its own sound is higher than with sound of the
            same clip at least 5 frames away; over all such pairs.
        balanced_accuracy: mean of the rates at which in-sync windows lie over, and the others
            under, one threshold that was fitted on training clips.
        offset_within_1: clips whose best offset within ±15 frames is at most 1 frame.
        threshold: that threshold.
        cosine_in_sync, cosine_off_sync: mean similarities.
    """

    pair_accuracy: float
    balanced_accuracy: float
    offset_within_1: float
    threshold: float
    cosine_in_sync: float
    cosine_off_sync: float


def split_pairs(matrix: np.ndarray, distance: int = WINDOW_FRAMES
                ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """In-sync similarities (N,) and those of pairs at least `distance` frames apart (N, N).

    What is no pair, and windows without a face, are NaN.
    """
    index = np.arange(len(matrix))
    apart = np.abs(index[:, None] - index[None]) >= distance
    return np.diag(matrix), np.where(apart, matrix, np.nan)


def pair_accuracy(matrices: Sequence[np.ndarray]) -> float:
    """Fraction of pairs in which the in-sync one is more similar."""
    wins = []
    for matrix in matrices:
        own, others = split_pairs(matrix)
        counted = ~np.isnan(others) & ~np.isnan(own)[:, None]
        wins.append((own[:, None] > others)[counted])
    return float(np.concatenate(wins).mean())


def pooled(matrices: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All in-sync similarities (n,) and all of pairs at least 5 frames apart (m,), NaN left out."""
    own, others = zip(*(split_pairs(matrix) for matrix in matrices), strict=True)
    flat_own = np.concatenate(own)
    flat_others = np.concatenate([o.ravel() for o in others])
    return flat_own[~np.isnan(flat_own)], flat_others[~np.isnan(flat_others)]


def fit_threshold(matrices: Sequence[np.ndarray]) -> float:
    """The similarity that separates in-sync from other pairs with the best balanced accuracy."""
    own, others = (np.sort(values) for values in pooled(matrices))
    candidates = np.unique(np.concatenate([own, others]))
    over = 1 - np.searchsorted(own, candidates) / len(own)
    under = np.searchsorted(others, candidates) / len(others)
    return float(candidates[np.argmax(over + under)])


def balanced_accuracy(matrices: Sequence[np.ndarray], threshold: float) -> float:
    """Mean of the rates of in-sync pairs at or over `threshold` and of others under it."""
    own, others = pooled(matrices)
    return float(((own >= threshold).mean() + (others < threshold).mean()) / 2)


def offset_of(matrix: np.ndarray) -> int:
    """The best offset of a clip in frames within ±15, positive where the sound is early."""
    return best_offset(mean_by_offset(torch.from_numpy(matrix)), len(matrix)).offset


def expert_quality(held_out: Sequence[np.ndarray], training: Sequence[np.ndarray]) -> ExpertQuality:
    """All numbers; the threshold comes from the matrices of training clips."""
    threshold = fit_threshold(training)
    own, others = pooled(held_out)
    return ExpertQuality(
        pair_accuracy(held_out),
        balanced_accuracy(held_out, threshold),
        float(np.mean([abs(offset_of(matrix)) <= 1 for matrix in held_out])),
        threshold,
        float(own.mean()),
        float(others.mean()),
    )
