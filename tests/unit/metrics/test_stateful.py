"""The torchmetrics shells add nothing but accumulation."""

from __future__ import annotations

import doctest
import math

import pytest
import torch

from tests import fill
from w2l.metrics import (
    CosineSimilarity,
    LipSyncError,
    lse,
    pairwise_distances,
    stateful,
    summarize,
)


def clip(name: str, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.from_numpy(fill.uniform(f"{name}-{side}", (n, 16))) for side in "la")


def test_docstring_examples_run():
    result = doctest.testmod(stateful)
    assert result.attempted >= 10
    assert result.failed == 0


def test_lip_sync_error_is_the_mean_over_clips_and_counts_failures():
    clips = [clip("a", 40), clip("b", 12), clip("c", 25)]
    metric = LipSyncError()
    for lips, audio in clips:
        metric.update(lips, audio)
    metric.update(torch.zeros(0, 16), torch.zeros(0, 16))
    metric.update(torch.full((3, 16), torch.nan), torch.zeros(3, 16))
    got = metric.compute()
    scores = [lse(pairwise_distances(*pair)) for pair in clips]
    for name in ("lse_d", "lse_c", "lse_d_at_0", "lse_c_at_0", "offset"):
        want = sum(getattr(score, name) for score in scores) / 3
        assert float(got[name]) == pytest.approx(want, rel=1e-5), name
    assert (int(got["n_scored"]), int(got["n_failed"])) == (3, 2)


def test_nothing_scored_is_nan_not_zero():
    metric = LipSyncError()
    metric.update(torch.zeros(0, 16), torch.zeros(0, 16))
    got = metric.compute()
    assert math.isnan(got["lse_d"])
    assert int(got["n_failed"]) == 1


def test_shells_reduce_across_processes():
    """Merging the states of two ranks gives what one rank would have given."""
    parts = [clip("a", 40), clip("b", 12)]
    for kind in (LipSyncError, CosineSimilarity):
        whole, left, right = kind(), kind(), kind()
        for lips, audio in parts:
            whole.update(lips, audio)
        left.update(*parts[0])
        right.update(*parts[1])
        left.merge_state(right)
        for name, value in whole.compute().items():
            torch.testing.assert_close(left.compute()[name], value)


def test_cosine_similarity_is_the_summary_of_all_windows():
    first, second = clip("a", 10), clip("b", 5)
    metric = CosineSimilarity()
    metric.update(*first)
    metric.update(*second)
    similarities = torch.cat([torch.cosine_similarity(*pair) for pair in (first, second)])
    want = summarize(similarities)._asdict()
    got = metric.compute()
    assert {name: float(value) for name, value in got.items()} == pytest.approx(want, rel=1e-5)
