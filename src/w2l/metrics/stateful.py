"""`torchmetrics.Metric` shells: they only accumulate and reduce across devices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from w2l.metrics.cosine import summarize
from w2l.metrics.lse import VSHIFT, lse, pairwise_distances


class LipSyncError(Metric):
    """LSE-D and LSE-C, averaged over clips; clips that cannot be scored are counted.

    `update` takes one clip at a time, because the offset is searched clip by clip.

    Args:
        vshift: frames searched to either side.

    Example:
        >>> import torch
        >>> from w2l.metrics import LipSyncError
        >>> speech = torch.randn(60, 1024, generator=torch.Generator().manual_seed(0))
        >>> metric = LipSyncError()
        >>> metric.update(lips=speech, audio=speech.roll(-2, dims=0))  # the sound is 2 early
        >>> metric.update(lips=speech[:0], audio=speech[:0])  # too short for one window
        >>> {name: round(float(value), 2) for name, value in metric.compute().items()}
        ... # doctest: +NORMALIZE_WHITESPACE
        {'lse_d': 1.09, 'lse_c': 42.33, 'lse_d_at_0': 45.17, 'lse_c_at_0': -1.76,
         'offset': 2.0, 'n_scored': 1.0, 'n_failed': 1.0}
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = None

    def __init__(self, vshift: int = VSHIFT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vshift = vshift
        self.sums: Tensor
        self.n_scored: Tensor
        self.n_failed: Tensor
        self.add_state("sums", torch.zeros(5), dist_reduce_fx="sum")
        self.add_state("n_scored", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("n_failed", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, lips: Tensor, audio: Tensor) -> None:
        """Add one clip: lip and sound embeddings of its windows, both (N, D); N = 0 fails."""
        if len(lips) == 0 or not (torch.isfinite(lips).all() and torch.isfinite(audio).all()):
            self.n_failed += 1
            return
        *scores, _curve = lse(pairwise_distances(lips, audio, self.vshift))
        self.sums += torch.tensor(scores, device=self.sums.device)
        self.n_scored += 1

    def compute(self) -> dict[str, Tensor]:
        """Means over the scored clips (NaN without any), mean offset in frames, and the counts."""
        lse_d, lse_c, offset, lse_d_at_0, lse_c_at_0 = self.sums / self.n_scored
        return {
            "lse_d": lse_d,
            "lse_c": lse_c,
            "lse_d_at_0": lse_d_at_0,
            "lse_c_at_0": lse_c_at_0,
            "offset": offset,
            "n_scored": self.n_scored,
            "n_failed": self.n_failed,
        }


class CosineSimilarity(Metric):
    """Summary of the cosine similarity of all windows of all clips.

    Example:
        >>> import torch
        >>> from w2l.metrics import CosineSimilarity
        >>> lips, audio = torch.eye(4)[[0, 1, 2]], torch.eye(4)[[0, 1, 3]]
        >>> metric = CosineSimilarity()
        >>> metric.update(lips, audio)
        >>> {name: round(float(value), 3) for name, value in metric.compute().items()}
        ... # doctest: +NORMALIZE_WHITESPACE
        {'count': 3.0, 'min': 0.0, 'max': 1.0, 'mean': 0.667, 'variance': 0.333,
         'skewness': -0.707, 'kurtosis': -1.5}
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.similarities: list[Tensor]
        self.add_state("similarities", [], dist_reduce_fx="cat")

    def update(self, lips: Tensor, audio: Tensor) -> None:
        """Add windows: face and sound embeddings, both (N, D); NaN rows are left out."""
        self.similarities.append(
            torch.nn.functional.cosine_similarity(lips.float(), audio.float(), dim=1)
        )

    def compute(self) -> dict[str, Tensor]:
        """The fields of `CosineSummary`.

        Raises:
            ValueError: no window was added.
        """
        values = dim_zero_cat(self.similarities)
        summary = summarize(values)
        return {name: values.new_tensor(value) for name, value in summary._asdict().items()}
