"""The cosine summary against SciPy, and the offset curve against a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from tests import fill
from w2l.metrics import cosine_by_offset, offsets, summarize


@pytest.mark.parametrize("n", [2, 3, 50, 1000])
def test_summary_equals_scipy(n):
    values = fill.uniform("similarities", (n,)) ** 3 * 0.4 + 0.5
    want = stats.describe(values.astype(np.float64))
    got = summarize(torch.from_numpy(values))
    assert got.count == want.nobs
    assert (got.min, got.max) == pytest.approx(want.minmax)
    assert got[3:] == pytest.approx((want.mean, want.variance, want.skewness, want.kurtosis))


def test_windows_without_a_face_are_left_out():
    values = torch.tensor([0.25, math.nan, 0.75, math.nan])
    assert summarize(values) == summarize(torch.tensor([0.25, 0.75]))


def test_degenerate_summaries():
    one = summarize(torch.tensor([0.5]))
    assert one[:4] == (1, 0.5, 0.5, 0.5)
    assert all(math.isnan(value) for value in one[4:])
    equal = summarize(torch.full((7,), 0.1))
    assert equal.variance == pytest.approx(0, abs=1e-15)
    assert math.isnan(equal.skewness)
    assert math.isnan(equal.kurtosis)
    with pytest.raises(ValueError, match="no window"):
        summarize(torch.tensor([math.nan]))


def test_cosine_by_offset_equals_loop():
    lips, audio = fill.uniform("lips", (9, 6)), fill.uniform("audio", (9, 6))
    got = cosine_by_offset(torch.from_numpy(lips), torch.from_numpy(audio), vshift=3)
    for value, offset in zip(got.tolist(), offsets(3).tolist(), strict=True):
        pairs = [(i, i - offset) for i in range(9) if 0 <= i - offset < 9]
        want = [
            lips[i] @ audio[j] / np.linalg.norm(lips[i]) / np.linalg.norm(audio[j])
            for i, j in pairs
        ]
        assert value == pytest.approx(np.mean(want), abs=1e-6)


def test_cosine_by_offset_short_and_missing():
    lips, audio = torch.eye(4)[:3].clone(), torch.eye(4)[:3]
    lips[1] = torch.nan
    curve = cosine_by_offset(lips, audio, vshift=5)
    assert curve[5] == 1.0
    assert curve[:3].isnan().all()  # a clip of 3 windows has nothing 3 or more frames away
    assert curve[-3:].isnan().all()
    with pytest.raises(ValueError, match="must both be"):
        cosine_by_offset(torch.zeros(3, 4), torch.zeros(2, 4))
