"""The losses, computed in at least float32 and outside autocast whatever the network ran in."""

from __future__ import annotations

import math
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _at_least_float32(*tensors: Tensor) -> list[Tensor]:
    return [t if t.dtype == torch.float64 else t.float() for t in tensors]


def cross_entropy(probability: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy of probabilities in [0, 1] against targets of the same shape.

    Rounding can leave [0, 1] by an ulp, and an expert without its last ReLU has cosines below 0;
    both are clamped. A cross-entropy on probabilities is refused under CUDA's autocast.
    """
    probability, target = _at_least_float32(probability, target)
    with torch.autocast(probability.device.type, enabled=False):
        return F.binary_cross_entropy(probability.clamp(0, 1), target.to(probability.dtype))


def cosine(audio: Tensor, face: Tensor) -> Tensor:
    """Cosine similarity of paired embeddings (B, D) → (B, 1)."""
    audio, face = _at_least_float32(audio, face)
    return F.cosine_similarity(audio, face).unsqueeze(1)


class SyncLabels(Protocol):
    """What the expert's losses read of a batch (`w2l.data.batches.SyncBatch`)."""

    @property
    def in_sync(self) -> Tensor: ...

    @property
    def group(self) -> Tensor: ...


class CrossEntropySync(nn.Module):
    """The published expert's loss: cross-entropy of the cosine against 1 (in sync) or 0."""

    def forward(self, audio: Tensor, face: Tensor, batch: SyncLabels) -> Tensor:
        """Embeddings (B, D) → scalar."""
        return cross_entropy(cosine(audio, face), batch.in_sync)


def within_groups(similarity: Tensor, group: Tensor) -> Tensor:
    """Similarities (B, B), those of pairs from different groups (B,) made −∞."""
    return similarity.masked_fill(group[:, None] != group, -torch.inf)


class ContrastiveSync(nn.Module):
    """Symmetric InfoNCE: each window must find its own sound among others, and back.

    The factor on the cosine (inverse temperature) is learned. All windows are in sync.

    Args:
        negatives: "clip" takes the others from the same clip, so that only time tells them apart;
            "batch" takes all, and part of what is learned is which voice goes with which face.
        scale: the factor at the start.
        max_scale: its upper limit.
    """

    def __init__(
        self,
        negatives: Literal["clip", "batch"] = "clip",
        scale: float = 10.0,
        max_scale: float = 100.0,
    ) -> None:
        super().__init__()
        self.negatives = negatives
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.max_scale = max_scale

    def forward(self, audio: Tensor, face: Tensor, batch: SyncLabels) -> Tensor:
        """Embeddings of length 1, (B, D), of windows that are all in sync → scalar."""
        audio, face = _at_least_float32(audio, face)
        with torch.autocast(audio.device.type, enabled=False):
            scale = self.log_scale.exp().clamp(max=self.max_scale)
            similarity = scale * audio @ face.T
            if self.negatives == "clip":
                similarity = within_groups(similarity, batch.group)
            own = torch.arange(len(audio), device=audio.device)
            return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2


def sync_cross_entropy(audio: Tensor, face: Tensor) -> Tensor:
    """The published sync loss of generated lips: cross-entropy of the cosine against 1."""
    similarity = cosine(audio, face)
    return cross_entropy(similarity, torch.ones_like(similarity))


def sync_distance(audio: Tensor, face: Tensor) -> Tensor:
    """1 − cosine, for an expert whose cosines go below 0, where the cross-entropy has no slope."""
    return (1 - cosine(audio, face)).mean()
