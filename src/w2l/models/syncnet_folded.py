"""SyncNet v2 as it is run: batch norms folded into the layers before them, all of it in 2-D.

Only the first layer of the published network spans time, and its kernel is as long as a window:
over five frames stacked on channels it is a plain 2-D convolution. On CPUs windows that follow one
another share most of its work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from w2l.models.products import ConvolutionProduct
from w2l.models.winograd import WINDOW, SlidingConvolution


class FoldedSyncNet(nn.Module):
    """The embeddings of a `SyncNetV2` in evaluation mode, to float32's rounding.

    Args:
        lips, lips_head, sound, sound_head: the published parts, left as they are.
    """

    def __init__(
        self, lips: nn.Sequential, lips_head: nn.Sequential,
        sound: nn.Sequential, sound_head: nn.Sequential,
    ) -> None:  # fmt: skip
        super().__init__()
        with torch.no_grad():
            self.kind = torch.float32
            self.sliding: SlidingConvolution | None = None
            self.lips = _channels_last(_pooled_first(_folded(lips)))
            self.lips_head = nn.Sequential(*_folded(lips_head))
            self.sound = _channels_last(_pooled_first(_folded(sound)))
            self.sound_head = nn.Sequential(*_folded(sound_head))
        self.eval().requires_grad_(False)

    def for_cpu(self) -> FoldedSyncNet:
        """Itself, from now on as a CPU is quickest; on a GPU that would be slower."""
        conv, pool, _, *others = self.lips
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(pool, nn.MaxPool2d)
        self.sliding = SlidingConvolution(conv, pool)
        self.lips = nn.Sequential(*others)
        *others, conv, relu = self.sound
        assert isinstance(conv, nn.Conv2d)
        last = ConvolutionProduct(conv, residual=False, relu=False)  # its result is one pixel
        self.sound = nn.Sequential(*others, last, relu)
        return self

    def in_bfloat16(self) -> FoldedSyncNet:
        """Itself, from now on with convolutions in bfloat16, but for the sliding one.

        The sums of that one lose too many digits. What it takes and gives stays float32.
        """
        self.kind = torch.bfloat16
        self.lips.to(self.kind)
        self.sound.to(self.kind)
        return self

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """As `SyncNetV2.embed_audio`."""
        return self.sound_head(self.sound(mfcc.to(self.kind)).flatten(1).float())

    def embed_lips(self, frames: Tensor) -> Tensor:
        """As `SyncNetV2.embed_lips`: (B, 3, T, 224, 224) → (B, T − 4, 1024)."""
        if self.sliding is not None:
            slid = (self.sliding(clip) for clip in frames.permute(0, 2, 3, 4, 1))
            clips = [self.lips(x.to(self.kind)) for x in slid]
            return torch.stack([self.lips_head(x.flatten(1).float()) for x in clips])
        batch, _, n_frames, height, width = frames.shape
        n = n_frames - WINDOW + 1
        # (B, T, H, W, 3): the five frames of a window lie one after the other on the channels.
        last = frames.permute(0, 2, 3, 4, 1)
        windows = frames.new_empty(batch, n, height, width, WINDOW, 3, dtype=self.kind)
        for i in range(WINDOW):
            windows[..., i, :] = last[:, i : i + n]
        x = self.lips(windows.flatten(4).flatten(0, 1).permute(0, 3, 1, 2))
        return self.lips_head(x.flatten(1).float()).unflatten(0, (batch, n))


def _channels_last(network: nn.Sequential) -> nn.Sequential:
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _pooled_first(layers: Iterable[nn.Module]) -> nn.Sequential:
    """The layers, each ReLU after its pool: the largest stays the largest, and there are fewer."""
    swapped: list[nn.Module] = []
    for layer in layers:
        at = len(swapped)
        if isinstance(layer, nn.MaxPool2d) and isinstance(swapped[-1], nn.ReLU):
            at -= 1
        swapped.insert(at, layer)
    return nn.Sequential(*swapped)


def _folded(layers: nn.Sequential) -> Iterator[nn.Module]:
    """The layers in 2-D, each norm folded into the convolution or linear layer before it."""
    pending: nn.Module | None = None
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            assert pending is not None
            yield _with_norm(pending, layer)
            pending = None
            continue
        if pending is not None:
            yield pending
        pending = None
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
            pending = layer
        elif isinstance(layer, nn.MaxPool2d | nn.MaxPool3d):
            yield nn.MaxPool2d(
                _plane(layer.kernel_size), _plane(layer.stride), _plane(layer.padding)
            )
        else:
            yield nn.ReLU(inplace=True)
    if pending is not None:
        yield pending


def _plane(size: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """Height and width of a pool's size, which may have time before them."""
    return size if isinstance(size, int) else size[-2:]


def _with_norm(layer: nn.Module, norm: nn.Module) -> nn.Module:
    """A linear layer or 2-D convolution that is `layer` with `norm` behind it."""
    assert isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear)
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    # In float64: the folded weights are rounded once.
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.ndim - 1))
    shift = norm.bias.double() - norm.running_mean.double() * scale
    bias = layer.bias.double() * scale + shift if layer.bias is not None else shift
    folded: nn.Module
    if isinstance(layer, nn.Linear):
        folded = nn.Linear(layer.in_features, layer.out_features)
    else:
        if isinstance(layer, nn.Conv3d):
            weight = weight.transpose(1, 2).flatten(1, 2)  # (O, T·C, H, W), frame by frame
        folded = nn.Conv2d(
            weight.shape[1],
            len(weight),
            (weight.shape[2], weight.shape[3]),
            (layer.stride[-2], layer.stride[-1]),
            (int(layer.padding[-2]), int(layer.padding[-1])),
        )
    folded.load_state_dict({"weight": weight, "bias": bias})
    return folded
