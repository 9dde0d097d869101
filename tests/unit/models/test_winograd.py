"""Windows that slide share work, and come out as if each were convolved by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from w2l.models.winograd import POINTS, WINDOW, WINDOWS, SlidingConvolution, minimal_filtering


@pytest.mark.parametrize(
    ("results", "taps", "points"),
    [(2, 3, (0, 1, -1)), (4, 3, (0, 1, -1, 2, -2)), (WINDOWS, WINDOW, POINTS)],
)
def test_minimal_filtering_filters(results, taps, points):
    a, g, b = (matrix.numpy() for matrix in minimal_filtering(results, taps, points))
    rng = np.random.default_rng(0)
    signal, kernel = rng.normal(size=results + taps - 1), rng.normal(size=taps)
    np.testing.assert_allclose(
        a @ ((g @ kernel) * (b @ signal)), np.correlate(signal, kernel, "valid"), atol=1e-12
    )


@pytest.mark.parametrize("windows", [1, WINDOWS - 1, WINDOWS, WINDOWS + 1, 3 * WINDOWS])
@pytest.mark.parametrize("side", [19, 25, 38, 64])  # 3 pooled rows, fewer, more, no multiple
@torch.no_grad()
def test_each_window_is_as_if_alone(windows, side):
    torch.manual_seed(0)
    conv, pool = nn.Conv2d(WINDOW * 3, 10, 7, 2), nn.MaxPool2d(3, 2)
    frames = torch.randint(0, 256, (windows + WINDOW - 1, side, side + 6, 3)).float()
    stacked = torch.stack([frames[i : i + WINDOW] for i in range(windows)])  # (N, 5, H, W, 3)
    stacked = stacked.permute(0, 1, 4, 2, 3).flatten(1, 2).double()
    want = F.relu(pool(conv.double()(stacked)))
    got = SlidingConvolution(conv.float(), pool)(frames)
    assert got.shape == want.shape
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert (got - want).abs().max() < 5e-5 * want.max()
