"""Fréchet distance of two sets of images, beside the distance of real images from real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from w2l.memory import Shrinking

if TYPE_CHECKING:
    from torchmetrics.image.fid import FrechetInceptionDistance

ENOUGH = 2048  # images of each kind: with fewer than features the covariances are degenerate
BATCH = 32  # images in the network at once
_Kind = tuple[bool, int]  # real, half


class FeatureDistance:
    """Collects features of real and generated images.

    Args:
        n_features: of each image.
        device: on which they are added up, in float64.
    """

    def __init__(self, n_features: int, device: str | torch.device = "cpu") -> None:
        # Here, for the sake of commands that need none: it takes seconds to import.
        from torchmetrics.image.fid import FrechetInceptionDistance

        self._between = FrechetInceptionDistance(feature=_Given(n_features)).to(device)
        self._floor = FrechetInceptionDistance(feature=_Given(n_features)).to(device)
        self.device = torch.device(device)
        self.n_real = self.n_generated = 0

    @torch.inference_mode()
    def add(self, features: Tensor, *, real: bool, half: int = 0) -> None:
        """Add features (N, D); `half` (0 or 1) is the side of a real image in the floor."""
        features = features.to(self.device)
        self._between.update(features, real=real)
        if real:
            self._floor.update(features, real=half == 0)
            self.n_real += len(features)
        else:
            self.n_generated += len(features)

    def distance(self) -> float:
        """Between real and generated images; NaN with fewer than two of either."""
        return _value(self._between)

    def floor(self) -> float:
        """Between the two halves of the real ones: what a perfect generator would get at best."""
        return _value(self._floor)


class FrechetDistance(FeatureDistance):
    """The same from images.

    Args:
        network: uint8 images (N, 3, H, W) → (N, D), with D in its attribute `num_features`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(int(network.num_features), next(network.parameters()).device)  # type: ignore[arg-type]
        network.eval()
        self._features = Shrinking[Tensor](lambda images: list(features_of(network, images)))
        self._waiting: list[tuple[np.ndarray, _Kind]] = []
        self._found: dict[_Kind, list[Tensor]] = {}
        self._held = False  # what was found is not to be added yet

    def update(self, images: np.ndarray, *, real: bool, half: int = 0) -> None:
        """Add images (N, H, W, 3); `half` (0 or 1) is the side of a real one in the floor.

        Within `all_or_nothing` all of one size; they go through the network `BATCH` at a time.
        """
        self._waiting += [(frame, (real, half)) for frame in images]
        while len(self._waiting) >= BATCH:
            self._compute()
        if not self._held:
            self._settle()

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Images that are added inside count only if it is left without an error.

        Half of a clip that broke would weigh in the distance of clips that are not reported. Each
        clip's features are added at its end: one addition costs as much as a hundred images.
        """
        self._held = True
        try:
            yield
            self._settle()
        finally:
            self._held = False
            self._waiting.clear()
            self._found.clear()

    def _compute(self) -> None:
        """Features of the first images that wait."""
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        rows = self._features(np.stack([frame for frame, _ in batch]))
        for row, (_, kind) in zip(rows, batch, strict=True):
            self._found.setdefault(kind, []).append(row)

    def _settle(self) -> None:
        """Add all that there is."""
        while self._waiting:
            self._compute()
        for (real, half), rows in self._found.items():
            self.add(torch.stack(rows), real=real, half=half)
        self._found.clear()


@torch.inference_mode()
def features_of(network: nn.Module, images: np.ndarray) -> Tensor:
    """Features (N, D), on the network's device, of images (N, H, W, 3) uint8."""
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    features: Tensor = network(batch.to(next(network.parameters()).device))
    return features


class _Given(nn.Module):
    """In place of a network: the features are there already."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.num_features = n_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _value(metric: FrechetInceptionDistance) -> float:
    counts = (metric.real_features_num_samples, metric.fake_features_num_samples)
    if min(int(count) for count in counts) < 2:
        return float("nan")
    return float(metric.compute())
