"""The expert's quality, against counting pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from w2l.metrics import best_offset, cosine_by_offset, lse, pairwise_distances
from w2l.metrics.cosine import mean_by_offset
from w2l.metrics.separation import (
    balanced_accuracy,
    expert_quality,
    fit_threshold,
    offset_of,
    pair_accuracy,
)


@pytest.fixture
def matrices() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    found = [rng.normal(0, 0.3, (n, n)) + 0.4 * np.eye(n) for n in (30, 17)]
    found[1][4] = np.nan  # a window without a face
    return found


def pairs(matrix: np.ndarray) -> tuple[list[float], list[tuple[float, float]]]:
    """In-sync similarities, and (in sync, ≥ 5 frames apart) of the same window."""
    seen = [i for i in range(len(matrix)) if not np.isnan(matrix[i, i])]
    both = [
        (matrix[i, i], matrix[i, j]) for i in seen for j in range(len(matrix)) if abs(i - j) >= 5
    ]
    return [matrix[i, i] for i in seen], both


def test_pair_accuracy_counts_pairs(matrices: list[np.ndarray]) -> None:
    both = [pair for matrix in matrices for pair in pairs(matrix)[1]]
    assert pair_accuracy(matrices) == pytest.approx(np.mean([own > other for own, other in both]))


def test_balanced_accuracy_and_its_threshold(matrices: list[np.ndarray]) -> None:
    own = np.array([value for matrix in matrices for value in pairs(matrix)[0]])
    others = np.array([other for matrix in matrices for _, other in pairs(matrix)[1]])

    def counted(threshold: float) -> float:
        return float(((own >= threshold).mean() + (others < threshold).mean()) / 2)

    assert balanced_accuracy(matrices, 0.1) == pytest.approx(counted(0.1))
    best = max(counted(t) for t in np.concatenate([own, others]))
    assert counted(fit_threshold(matrices)) == pytest.approx(best)


@pytest.mark.parametrize("shift", [-7, -1, 0, 3, 15])
def test_offset_is_where_the_similarities_peak(shift: int) -> None:
    n = 60
    matrix = np.random.default_rng(1).normal(0, 0.1, (n, n))
    rows = np.arange(max(0, -shift), min(n, n - shift))
    matrix[rows, rows + shift] += 1  # lips fit a later sound: it is late
    assert offset_of(matrix) == -shift


@pytest.mark.parametrize("early", [-4, 0, 2])
def test_the_offset_is_that_of_all_other_scores(early: int) -> None:
    """Positive where the sound is early, as LSE's, with windows that lack a face."""
    speech = torch.randn(60, 16, generator=torch.Generator().manual_seed(0))
    lips = F.normalize(speech, dim=1)
    sound = lips.roll(-early, dims=0)
    lips[7:9] = torch.nan
    by_offset = cosine_by_offset(lips, sound)
    matrix = lips @ sound.T
    torch.testing.assert_close(mean_by_offset(matrix), by_offset)
    assert offset_of(matrix.numpy()) == best_offset(by_offset, len(lips)).offset == early
    seen = lips.nan_to_num(0.0)
    assert lse(pairwise_distances(seen, sound)).offset == early


def test_an_offset_that_only_few_windows_share_does_not_win() -> None:
    matrix = 0.5 * np.eye(10)
    matrix[0, 9] = 1.0  # offset 9: one window
    assert offset_of(matrix) == 0


def test_all_numbers_together(matrices: list[np.ndarray]) -> None:
    training = [matrix + 0.3 for matrix in matrices]
    quality = expert_quality(held_out=matrices, training=training)
    assert (
        quality.threshold == fit_threshold(training) == pytest.approx(fit_threshold(matrices) + 0.3)
    )  # nothing of it was fitted on the clips that are judged
    assert quality.balanced_accuracy == balanced_accuracy(matrices, quality.threshold)
    assert quality.pair_accuracy == pair_accuracy(matrices)
    assert quality.cosine_in_sync > quality.cosine_off_sync
    assert 0 <= quality.offset_within_1 <= 1
