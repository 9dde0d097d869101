"""The losses, computed in at least float32 and outside autocast whatever the network ran in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from w2l.bounds import Share


def _at_least_float32(*tensors: Tensor) -> list[Tensor]:
    return [t if t.dtype == torch.float64 else t.float() for t in tensors]


def cross_entropy(probability: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy of probabilities in [0, 1] against targets of the same shape.

    Rounding can leave [0, 1] by an ulp, and an expert without its last ReLU has cosines below 0;
    both are clamped. A cross-entropy on probabilities is refused under CUDA's autocast. That of NaN
    is NaN: torch ends the process there.
    """
    probability, target = _at_least_float32(probability, target)
    with torch.autocast(probability.device.type, enabled=False):
        probability = probability.clamp(0, 1)
        known = probability.nan_to_num(0.5)
        loss = F.binary_cross_entropy(known, target.to(known.dtype))
        return loss + 0 * probability.sum()


def cosine(audio: Tensor, face: Tensor) -> Tensor:
    """Cosine similarity of paired embeddings (B, D) → (B, 1)."""
    audio, face = _at_least_float32(audio, face)
    with torch.autocast(audio.device.type, enabled=False):
        return F.cosine_similarity(audio, face).unsqueeze(1)


class Targets(Protocol):
    """What image losses read of a batch (`w2l.data.batches.LipBatch`)."""

    @property
    def target(self) -> Tensor: ...


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

    def chance(self, batch: SyncLabels) -> float:
        """The loss of an expert that says 0.5 to everything."""
        return math.log(2)


def within_groups(similarity: Tensor, group: Tensor) -> Tensor:
    """Similarities (B, B), those of pairs from different groups (B,) made −∞."""
    return similarity.masked_fill(group[:, None] != group, -torch.inf)


class ContrastiveSync(nn.Module):
    """Symmetric InfoNCE: each window must find its own sound among others, and back.

    The factor on the cosine (inverse temperature) is learned. All windows are in sync. On several
    devices the others are those of all of them.

    Args:
        other_clips: how much a window of another clip counts as a negative. At 0 only windows of
            the same clip do, which nothing but time tells apart; at 1 all count alike, and part of
            what is learned is which voice goes with which face.
        scale: the factor at the start.
        max_scale: its upper limit.
    """

    def __init__(
        self, other_clips: Share = 0.0, scale: float = 10.0, max_scale: float = 100.0
    ) -> None:
        super().__init__()
        if not 0 <= other_clips <= 1:
            raise ValueError(f"other_clips must lie in [0, 1], not {other_clips}")
        self.other_clips = other_clips
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.max_scale = max_scale
        self._groups: Tensor | None = None  # of all windows that the last ones were told from

    def chance(self, batch: SyncLabels) -> Tensor:
        """The loss that `forward` has of this batch where all windows are alike to the expert."""
        groups = batch.group if self._groups is None else self._groups
        is_other = batch.group[:, None] != groups
        return torch.where(is_other, self.other_clips, 1.0).sum(dim=1).log().mean()

    def forward(self, audio: Tensor, face: Tensor, batch: SyncLabels) -> Tensor:
        """Embeddings of length 1, (B, D), of windows that are all in sync → scalar."""
        audio, face = _at_least_float32(audio, face)
        with torch.autocast(audio.device.type, enabled=False):
            first, all_audio, all_face, all_group = gathered(audio, face, batch.group)
            self._groups = all_group
            scale = self.log_scale.exp().clamp(max=self.max_scale)
            own = first + torch.arange(len(audio), device=audio.device)
            bias = math.log(self.other_clips) if self.other_clips else -torch.inf
            losses = []
            for here, there in ((audio, all_face), (face, all_audio)):
                logits = scale * here @ there.T
                is_other = batch.group[:, None] != all_group
                losses.append(F.cross_entropy(torch.where(is_other, logits + bias, logits), own))
            return (losses[0] + losses[1]) / 2


def gathered(audio: Tensor, face: Tensor, group: Tensor) -> tuple[int, Tensor, Tensor, Tensor]:
    """The windows of all processes, in the order of ranks, differentiable for every one of them.

    With the gradients' mean over processes, as DDP takes it, a mean over each process's own
    windows against these has the gradient of one process with the whole batch (where all have
    as many windows).

    Returns:
        Where the own windows begin, then audio and face (N, D) and group (N,) of all.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return 0, audio, face, group
    sizes: list[int] = [0] * dist.get_world_size()
    dist.all_gather_object(sizes, len(audio))  # clips may be too short for all of their windows
    first = sum(sizes[: dist.get_rank()])
    spread = audio.new_zeros(sum(sizes), 2 * audio.shape[1])
    groups = group.new_zeros(sum(sizes))
    spread = spread.index_copy(
        0, first + torch.arange(len(audio), device=audio.device), torch.cat([audio, face], dim=1)
    )
    groups[first : first + len(group)] = group
    dist.all_reduce(groups)
    both = _SumOverProcesses.apply(spread)
    return first, *both.chunk(2, dim=1), groups


class _SumOverProcesses(torch.autograd.Function):
    """all_reduce, forward and backward: what each process's loss says of a window is added up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def sync_cross_entropy(audio: Tensor, face: Tensor) -> Tensor:
    """The published sync loss of generated lips: cross-entropy of the cosine against 1."""
    similarity = cosine(audio, face)
    return cross_entropy(similarity, torch.ones_like(similarity))


def sync_distance(audio: Tensor, face: Tensor) -> Tensor:
    """1 − cosine, for an expert whose cosines go below 0, where the cross-entropy has no slope."""
    return (1 - cosine(audio, face)).mean()


class GanLoss(Protocol):
    """What generator and discriminator are told by the discriminator's logits, any shape."""

    def generator(self, fake: Tensor) -> Tensor: ...

    def discriminator(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The losses on real and on generated images; their sum is minimised."""
        ...


class CrossEntropyGan:
    """The published loss: binary cross-entropy of the discriminator's probabilities."""

    def generator(self, fake: Tensor) -> Tensor:
        probability = torch.sigmoid(*_at_least_float32(fake))
        return cross_entropy(probability, torch.ones_like(probability))

    def discriminator(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = (torch.sigmoid(x) for x in _at_least_float32(real, fake))
        return (
            cross_entropy(real, torch.ones_like(real)),
            cross_entropy(fake, torch.zeros_like(fake)),
        )


class HingeGan:
    """Hinge loss: an image that is judged clearly enough teaches nothing more."""

    def generator(self, fake: Tensor) -> Tensor:
        return -_at_least_float32(fake)[0].mean()

    def discriminator(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = _at_least_float32(real, fake)
        return F.relu(1 - real).mean(), F.relu(1 + fake).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1: mean squared length of the logits' gradient at real images, which must require one.

    Source: L Mescheder et al., Which Training Methods for GANs do actually Converge?, ICML 2018.

    Args:
        logits: (N, 1), each of one of the N = B·T images, or (N, P) of its patches, whose sum it
            is then the gradient of.
        images: (B, C, T, H, W).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().sum() / len(logits)


def feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean over stages of the L1 between the maps of generated and of real images."""
    pairs = (_at_least_float32(a, b.detach()) for a, b in zip(fake, real, strict=True))
    return torch.stack([F.l1_loss(a, b) for a, b in pairs]).mean()


class ImageLoss(nn.Module):
    """A loss of single images as one term of a generator's losses (`w2l.components.LossTerm`).

    Args:
        network: (generated, target), each (N, 3, S, S) BGR in [0, 1] → scalar, as
            `w2l.models.Lpips`.
        weight: of the term.
    """

    def __init__(self, network: nn.Module, weight: float) -> None:
        super().__init__()
        self.network = network
        self.weight = weight

    def forward(self, batch: Targets, generated: Tensor) -> Tensor:
        """Generated frames (B, 3, T, S, S) against those of the batch → scalar."""
        images = [frames.transpose(1, 2).flatten(0, 1) for frames in (generated, batch.target)]
        loss: Tensor = self.network(*images)
        return loss
