"""The Fréchet distance against SciPy's matrix root, on features that are the pixels' means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn

from w2l.metrics.fid import FrechetDistance


class Means(nn.Module):
    """The mean of each third of the rows of each channel: 9 features."""

    num_features = 9

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().unflatten(2, (3, -1)).mean(dim=(3, 4)).flatten(1)


def by_scipy(first: np.ndarray, second: np.ndarray) -> float:
    covariances = [np.cov(x, rowvar=False) for x in (first, second)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    return float(means + np.trace(covariances[0] + covariances[1] - 2 * root))


def test_equals_scipy():
    rng = np.random.default_rng(0)
    real = rng.integers(0, 256, (60, 6, 6, 3), np.uint8)
    generated = rng.integers(40, 200, (50, 6, 6, 3), np.uint8)
    metric = FrechetDistance(Means())
    assert np.isnan(metric.distance())
    metric.update(real[:30], real=True, half=0)
    metric.update(real[30:], real=True, half=1)
    metric.update(generated, real=False)

    def features(images: np.ndarray) -> np.ndarray:
        return Means()(torch.from_numpy(images).permute(0, 3, 1, 2)).double().numpy()

    assert metric.distance() == pytest.approx(
        by_scipy(features(real), features(generated)), rel=1e-3
    )
    want = by_scipy(features(real[:30]), features(real[30:]))
    assert metric.floor() == pytest.approx(want, rel=1e-3)
    assert (metric.n_real, metric.n_generated) == (60, 50)
    before = metric.distance(), metric.floor()

    def break_off() -> None:
        with metric.all_or_nothing():
            metric.update(generated[:9], real=True)
            metric.update(real[:9], real=False)
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert (metric.n_real, metric.n_generated) == (60, 50)
    metric.update(generated[:0], real=False)  # so that they are computed again
    assert (metric.distance(), metric.floor()) == before
    with metric.all_or_nothing():
        metric.update(real[:9], real=False)
    assert metric.n_generated == 59
    assert metric.distance() < before[0]


def test_single_images_are_computed_and_added_together():
    """A clip's images come one by one; the network is given 32, and each kind is added once."""
    batches, additions = [], []

    class Watched(Means):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            batches.append(len(images))
            return super().forward(images)

    metric = FrechetDistance(Watched())
    add = metric.add
    metric.add = lambda features, **kind: (additions.append(len(features)), add(features, **kind))
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), np.uint8)
    with metric.all_or_nothing():
        for number, image in enumerate(images):
            metric.update(image[None], real=False)
            metric.update(image[None], real=True, half=int(number >= 20))
    assert batches == [32, 32, 16]
    assert sorted(additions) == [20, 20, 40]
    assert (metric.n_real, metric.n_generated) == (40, 40)
    assert metric.distance() == pytest.approx(0, abs=1e-6)
    assert metric.floor() > 1
