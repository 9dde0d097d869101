"""Discriminators: is this lower half a photograph or generated?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from w2l.models.blocks import PlainBlock, fold_time, scaled


class QualityDiscriminator(nn.Module):
    """Judges the lower half of a face; without arguments the published network.

    Args:
        width: factor on every channel count; 1 is published.
        image_size: side of the square face in pixels; 96 is published.
    """

    def __init__(self, width: float = 1.0, image_size: int = 96) -> None:
        super().__init__()
        self.config = {"width": width, "image_size": image_size}
        c32, c64, c128, c256, c512 = scaled(width, 32, 64, 128, 256, 512)
        stages = [
            [PlainBlock(3, c32, 7, 1, 3)],
            [PlainBlock(c32, c64, 5, (1, 2), 2), PlainBlock(c64, c64, 5, 1, 2)],
            [PlainBlock(c64, c128, 5, 2, 2), PlainBlock(c128, c128, 5, 1, 2)],
            [PlainBlock(c128, c256, 5, 2, 2), PlainBlock(c256, c256, 5, 1, 2)],
            [PlainBlock(c256, c512, 3, 2, 1), PlainBlock(c512, c512, 3, 1, 1)],
        ]
        size = -(-image_size // 16)
        while size > 4:
            stages.append([PlainBlock(c512, c512, 3, 2, 1), PlainBlock(c512, c512, 3, 1, 1)])
            size = (size + 1) // 2
        stages.append([PlainBlock(c512, c512, size, 1, 0), PlainBlock(c512, c512, 1, 1, 0)])
        self.face_encoder_blocks = nn.ModuleList(nn.Sequential(*blocks) for blocks in stages)
        self.binary_pred = nn.Sequential(nn.Conv2d(c512, 1, 1), nn.Sigmoid())

    def feature_maps(self, face: Tensor) -> list[Tensor]:
        """(B, 3, T, S, S) BGR in [0, 1] → each stage's map (T·B, C, h, w), time-major."""
        x = fold_time(face)
        x = x[:, :, x.shape[2] // 2 :]
        maps = []
        for stage in self.face_encoder_blocks:
            x = stage(x)
            maps.append(x)
        return maps

    def logits(self, maps: Sequence[Tensor]) -> Tensor:
        """The maps of `feature_maps` → (T·B, 1): what `forward` takes the sigmoid of."""
        return self.binary_pred[0](maps[-1]).flatten(1)

    def forward(self, face: Tensor) -> Tensor:
        """Probability that a frame is real.

        Args:
            face: BGR in [0, 1], (B, 3, T, S, S).

        Returns:
            Probabilities (T·B, 1), every clip's frame 0 first.
        """
        return self.binary_pred[1](self.logits(self.feature_maps(face)))


class PatchDiscriminator(nn.Module):
    """Judges a lower half patch by patch: whether lips, teeth and skin are sharp, not whose.

    What it looks at is a part of a face (54 pixels), so that it cannot learn the few people of a
    small set by heart, and each image teaches it many times.

    Source: P Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR
    2017, without its norms, which a gradient penalty does not go with.

    Args:
        width: factor on every channel count.
        image_size: side of the square face in pixels; any even one works.
    """

    def __init__(self, width: float = 1.0, image_size: int = 96) -> None:
        super().__init__()
        self.config = {"width": width, "image_size": image_size}
        channels = [3, *scaled(width, 64, 128, 256, 512)]
        shapes = [(4, 2, 1), (4, 2, 1), (4, 2, 1), (3, 1, 1)]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, *shape), nn.LeakyReLU(0.2))
            for (before, after), shape in zip(pairwise(channels), shapes, strict=True)
        )
        self.last = nn.Conv2d(channels[-1], 1, 3, 1, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, 0.2)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def feature_maps(self, face: Tensor) -> list[Tensor]:
        """As of `QualityDiscriminator`."""
        x = fold_time(face)
        x = 2 * x[:, :, x.shape[2] // 2 :] - 1
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def logits(self, maps: Sequence[Tensor]) -> Tensor:
        """The maps of `feature_maps` → one logit for each patch, (T·B, S/16 · S/8)."""
        return self.last(maps[-1]).flatten(1)

    def forward(self, face: Tensor) -> Tensor:
        """Probabilities (T·B, S/16 · S/8) that the patches of frames (B, 3, T, S, S) are real."""
        return torch.sigmoid(self.logits(self.feature_maps(face)))
