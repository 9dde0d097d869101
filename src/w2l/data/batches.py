"""What a batch is: named tuples that the systems take.

B batch, T = 5 frames, S image size, 80 mel bands × 16 columns. Images are BGR float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import get_worker_info


class SyncBatch(NamedTuple):
    """Windows for the expert.

    Attributes:
        frames: lower halves stacked on channels frame by frame, (B, 3T, S/2, S).
        mel: log-mel windows in [-4, 4], (B, 1, 80, 16).
        in_sync: 1 where lips and sound belong together, else 0, (B, 1).
        group: (B,) int64, equal for windows that were drawn together from one clip.
    """

    frames: Tensor
    mel: Tensor
    in_sync: Tensor
    group: Tensor


class LipBatch(NamedTuple):
    """Windows for the generator.

    Attributes:
        masked_and_reference: target with its lower half zeroed, then a reference window of the
            same clip, on channels, (B, 6, T, S, S).
        mels: one log-mel window per frame, (B, T, 1, 80, 16).
        mel: the window of the sync loss, (B, 1, 80, 16).
        target: (B, 3, T, S, S).
    """

    masked_and_reference: Tensor
    mels: Tensor
    mel: Tensor
    target: Tensor


PIECE = 2**18  # values, 1 MB

BatchType = TypeVar("BatchType", SyncBatch, LipBatch)


def concatenate(samples: Sequence[BatchType]) -> BatchType:
    """Join samples, each a batch of one or more windows, into one batch; pictures become float."""
    return type(samples[0])(*(_join(parts) for parts in zip(*samples, strict=True)))


def _join(parts: Sequence[Tensor]) -> Tensor:
    joined = torch.cat(list(parts))
    if joined.dtype != torch.uint8:
        return joined
    floats = _new(joined.shape)
    # Piece by piece, so that what is divided still lies in the processor's cache.
    for piece, pixels in zip(
        floats.view(-1).split(PIECE), joined.reshape(-1).split(PIECE), strict=True
    ):
        piece.copy_(pixels).div_(255)
    return floats


def _new(shape: torch.Size) -> Tensor:
    """An empty float32 tensor, in a worker where the training process can see it: no copy."""
    if get_worker_info() is None:
        return torch.empty(shape)
    storage = torch.UntypedStorage._new_shared(4 * shape.numel(), device="cpu")
    return torch.empty(0).set_(storage, 0, shape)  # type: ignore[call-overload]


def stack_frames(frames: Tensor) -> Tensor:
    """Faces (B, 3, T, S, S) → the expert's input (B, 3T, S/2, S): lower halves, frame by frame."""
    lower = frames[:, :, :, frames.shape[3] // 2 :]
    return lower.transpose(1, 2).flatten(1, 2)
