"""The generator for inference: the same function in fewer steps."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_weights

from w2l.models.blocks import (
    ConvBlock,
    TransposedBlock,
    in_own_colours,
    map_sizes,
    with_reference,
)
from w2l.models.products import use_products

MARGIN = 2  # rows above the middle that bicubic scaling of the lower half reads


_Pair = tuple[nn.Conv2d | nn.ConvTranspose2d, nn.BatchNorm2d]
_Blocks = TypeVar("_Blocks", nn.Sequential, nn.ModuleList)


class FoldedBlock(nn.Module):
    """A block with its batch norm folded into its convolution, in float64.

    Works in place where it can: not for training.
    """

    def __init__(self, block: ConvBlock | TransposedBlock) -> None:
        super().__init__()
        conv, norm = cast(_Pair, block.conv_block)
        entries = (conv.weight, conv.bias, norm.running_mean, norm.running_var)
        weight, bias, mean, variance, scale, shift = (
            cast(Tensor, entry).detach().double() for entry in (*entries, norm.weight, norm.bias)
        )
        transposed = isinstance(conv, nn.ConvTranspose2d)
        weight, bias = fuse_conv_bn_weights(
            weight, bias, mean, variance, norm.eps, scale, shift, transposed
        )
        self.conv = copy.deepcopy(conv)
        self.conv.weight = nn.Parameter(weight.float())
        self.conv.bias = nn.Parameter(bias.float())
        self.residual = isinstance(block, ConvBlock) and block.residual
        self.relu = isinstance(block.activation, nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        if self.residual:
            out += x
        return out.relu_() if self.relu else out


class EncodedFace(NamedTuple):
    """What of a face does not depend on the speech.

    Attributes:
        maps: of each stage of the encoder, the finest first.
        mean, spread: of `in_own_colours`, where the generator works in these.
    """

    maps: list[Tensor]
    mean: Tensor | None = None
    spread: Tensor | None = None


class FoldedGenerator(nn.Module):
    """A generator without batch norms, which computes no more of the image than is asked for.

    Equals `Generator` to 1e-4 of the range (6e-5 on the golden faces). The encoder sees the whole
    face in any case; of the decoder's maps only those rows are computed on which a wanted one
    depends.

    Args:
        generator: a `Generator`, which stays as it is.
    """

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.config: dict[str, Any] = dict(generator.config)
        self.face_encoder_blocks = _folded(generator.face_encoder_blocks)
        self.audio_encoder = _folded(generator.audio_encoder)
        self.face_decoder_blocks = _folded(generator.face_decoder_blocks)
        self.output_block = _folded(generator.output_block)
        self.first_row = 0
        self.cuts = self._cuts(0)
        self.requires_grad_(False).eval()

    def from_row(self, first_row: int) -> FoldedGenerator:
        """The same network, its weights shared, for the rows from `first_row` on.

        They are what they would be beside those above.
        """
        other = copy.copy(self)
        other.first_row = first_row
        other.cuts = self._cuts(first_row)
        return other

    def for_cpu(self) -> FoldedGenerator:
        """Itself, from now on with products of matrices where a CPU is quicker with them.

        What gives other rows of the same network shares them. It cannot be exported any more.
        """
        size = int(self.config["image_size"])
        audio = torch.empty(1, 1, 80, 16, device="meta")
        use_products(self, FoldedBlock, audio, torch.empty(1, 6, size, size, device="meta"))
        return self

    def lower_half(self) -> FoldedGenerator:
        """For the lower half, and the rows above it that scaling it reads."""
        return self.from_row(int(self.config["image_size"]) // 2 - MARGIN)

    def encode(self, face: Tensor) -> EncodedFace:
        """The half of the work that needs no speech; `face` as for `forward`."""
        maps, x, mean, spread = [], face, None, None
        if self.config.get("skip"):
            x, mean, spread = in_own_colours(face)
        x = x.to(self._kind())
        for stage in self.face_encoder_blocks:
            x = stage(x)
            maps.append(x)
        return EncodedFace(maps, mean, spread)

    def forward(self, audio: Tensor, face: Tensor, encoded: EncodedFace | None = None) -> Tensor:
        """Generate faces that say `audio`.

        Args:
            audio: log-mel windows in [-4, 4], (B, 1, 80, 16).
            face: BGR in [0, 1], (B, 6, S, S), as for `Generator`, or (1, 6, S, S): the same one
                for each window, which is encoded only once.
            encoded: what `encode` makes of `face`; None: it is made here.

        Returns:
            BGR in [0, 1], (B, 3, S - first_row, S).
        """
        given, mean, spread = encoded or self.encode(face)
        maps = list(given)
        x = self.audio_encoder(audio.to(self._kind()))
        for stage, cut in zip(self.face_decoder_blocks, self.cuts, strict=True):
            x, skip = stage(x), maps.pop()[:, :, cut:]
            if skip.shape[0] != x.shape[0]:  # not len(), which would fix the batch of an export
                skip = skip.expand(x.shape[0], -1, -1, -1)
            x = torch.cat([x[:, :, -skip.shape[2] :], skip], dim=1)
        x = self.output_block(x)[:, :, self.first_row - self.cuts[-1] :]
        return x if mean is None or spread is None else with_reference(x, face, mean, spread)

    def _kind(self) -> torch.dtype:
        """Of a network in bfloat16 that; a face's own colours stay as they are given."""
        return next(self.parameters()).dtype

    def _cuts(self, first_row: int) -> list[int]:
        """How many rows of each decoder stage's map are left out, the last one's at the end.

        A 3×3 convolution reads one row above, and where its input was cut it gets its own first
        row wrong, which is therefore cut next.
        """
        sizes = map_sizes(int(self.config["image_size"]))[::-1]
        cuts = [max(0, first_row - 1)]  # the output block has one such convolution
        for i in range(len(sizes) - 1, 0, -1):
            residuals = len(cast(nn.Sequential, self.face_decoder_blocks[i])) - 1
            cuts.append(max(0, cuts[-1] - residuals) * sizes[i - 1] // sizes[i])
        return cuts[::-1]


def _folded(module: _Blocks) -> _Blocks:
    """A copy in which each block is a `FoldedBlock`; no parameter is held more often than that."""
    children: list[nn.Module] = []
    for child in module:
        if isinstance(child, ConvBlock | TransposedBlock):
            children.append(FoldedBlock(child))
        elif isinstance(child, nn.Sequential | nn.ModuleList):
            children.append(_folded(child))  # type: ignore[type-var]  # a union is not one of both
        else:
            children.append(copy.deepcopy(child))
    if isinstance(module, nn.Sequential):
        return nn.Sequential(*children)
    return nn.ModuleList(children)
