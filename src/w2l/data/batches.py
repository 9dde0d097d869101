"""What a batch is: named tuples that the systems take.

B batch, T = 5 frames, S image size, 80 mel bands × 16 columns. Images are BGR float32 in [0, 1],
and uint8 on their way there (`to_float`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
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
    """Join samples, each a batch of one or more windows, into one batch; images stay uint8."""
    return type(samples[0])(*(_join(parts) for parts in zip(*samples, strict=True)))


def _join(parts: Sequence[Tensor]) -> Tensor:
    """Into memory that the training process shares, where a worker does it: no copy."""
    if get_worker_info() is None:
        return torch.cat(list(parts))
    first = parts[0]
    shape = torch.Size([sum(len(part) for part in parts), *first.shape[1:]])
    storage = torch.UntypedStorage._new_shared(shape.numel() * first.itemsize, device="cpu")
    joined = torch.empty(0, dtype=first.dtype).set_(storage, 0, shape)  # type: ignore[call-overload]
    return torch.cat(list(parts), out=joined)


def to_float(batch: BatchType) -> BatchType:
    """Images of a batch from uint8 to float32 in [0, 1]; all else, and floats, as they are.

    Bytes travel from workers to the training process, and on to the GPU, in a quarter of the room.
    """
    return type(batch)(*(_to_float(part) if part.dtype == torch.uint8 else part for part in batch))


def _to_float(images: Tensor) -> Tensor:
    if images.device.type != "cpu":
        return images.float().div_(255)
    floats = torch.empty(images.shape)
    # Piece by piece, so that what is divided still lies in the processor's cache.
    pieces = zip(floats.view(-1).split(PIECE), images.reshape(-1).split(PIECE), strict=True)
    for piece, pixels in pieces:
        piece.copy_(pixels).div_(255)
    return floats


def grey(stacked: Tensor) -> Tensor:
    """The same images without colour: BGR frames stacked on channels, (B, 3T, H, W)."""
    frames = stacked.unflatten(1, (-1, 3))
    share = frames.new_tensor([0.114, 0.587, 0.299])  # ITU-R BT.601, as OpenCV
    luma = (frames * share[:, None, None]).sum(dim=2, keepdim=True)
    return luma.expand_as(frames).flatten(1, 2)


def jittered(stacked: Tensor, pixels: int) -> Tensor:
    """Images (B, 3T, H, W) moved by up to so many pixels each way, all alike, half of the times
    mirrored, and half of them blurred over 3×3; drawn from torch's random numbers.
    """
    height, width = stacked.shape[2:]
    down, right = torch.randint(2 * pixels + 1, (2,)).tolist()
    mirrored, blurred = (torch.rand(2) < 0.5).tolist()
    moved = F.pad(stacked, [pixels] * 4, mode="replicate")
    moved = moved[:, :, down : down + height, right : right + width]
    if mirrored:
        moved = moved.flip(3)
    if not blurred:
        return moved
    return F.avg_pool2d(F.pad(moved, [1] * 4, mode="replicate"), 3, stride=1)


def stack_frames(frames: Tensor, image_size: int | None = None) -> Tensor:
    """Faces (B, 3, T, S, S) → the expert's input (B, 3T, S/2, S): lower halves, frame by frame.

    Args:
        frames: the faces.
        image_size: side of the faces that the expert was trained on, if it is not S.
    """
    lower = frames[:, :, :, frames.shape[3] // 2 :]
    stacked = lower.transpose(1, 2).flatten(1, 2)
    if image_size in {None, frames.shape[3]}:
        return stacked
    size = (image_size - image_size // 2, image_size)
    return F.interpolate(stacked, size, mode="bilinear", antialias=True)
