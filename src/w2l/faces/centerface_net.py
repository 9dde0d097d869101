"""CenterFace's network (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as
Point", 2019): a MobileNetV2 that looks, a thin feature pyramid that brings what it saw up to a
quarter of the picture's size, and a head that says at each point whether a face is centred there.

Batch norms are folded into the convolutions. `scripts/convert_centerface.py` makes the weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

NECK_CHANNELS = 24


class FaceMaps(NamedTuple):
    """What the network says about each 4x4 px cell of the picture; h = H/4, w = W/4."""

    heat: torch.Tensor  # (B, 1, h, w): probability that a face is centred in the cell
    size: torch.Tensor  # (B, 2, h, w): log of the face's height and width, in cells
    offset: torch.Tensor  # (B, 2, h, w): y and x from the cell's middle to the face's, in cells
    landmarks: torch.Tensor  # (B, 10, h, w): (y, x) of five points, as shares of the face's box


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1 to more channels, 3x3 in each channel, 1x1 to few channels.

    Adds its input to its output where the shapes allow.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.adds_input = stride == 1 and inputs == outputs
        self.expand = nn.Conv2d(inputs, hidden, 1) if expansion > 1 else nn.Identity()
        self.spatial = nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden)
        self.project = nn.Conv2d(hidden, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # ReLU in place: on a CPU new memory costs as much as the arithmetic. Where nothing is
        # expanded it changes nothing, since what comes in went through one already.
        y = self.project(self.spatial(self.expand(x).relu_()).relu_())
        return x + y if self.adds_input else y


class Backbone(nn.Module):
    """MobileNetV2 without its classifier: maps at 1/4, 1/8, 1/16 and 1/32 of the picture."""

    CHANNELS = (24, 32, 96, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        # Each stage is a list of (channels, blocks, stride of the first block).
        self.stages = nn.ModuleList(
            [
                nn.Sequential(InvertedResidual(32, 16, 1, expansion=1), *_blocks(16, (24, 2, 2))),
                _blocks(24, (32, 3, 2)),
                _blocks(32, (64, 4, 2), (96, 3, 1)),
                _blocks(96, (160, 3, 2), (320, 1, 1)),
            ]
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.stem(x).relu_()
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def _blocks(inputs: int, *groups: tuple[int, int, int]) -> nn.Sequential:
    """Inverted residuals, expansion 6, from (channels, blocks, stride of the first) groups."""
    blocks = []
    for outputs, count, stride in groups:
        for i in range(count):
            blocks.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expansion=6))
            inputs = outputs
    return nn.Sequential(*blocks)


class Neck(nn.Module):
    """Feature pyramid: from the coarsest map up, doubled in size and added to the next finer."""

    def __init__(self, channels: int = NECK_CHANNELS) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in Backbone.CHANNELS)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(channels, channels, 2, stride=2) for _ in Backbone.CHANNELS[1:]
        )

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        fine_to_coarse = [conv(x).relu_() for conv, x in zip(self.lateral, maps, strict=True)]
        x = fine_to_coarse.pop()
        for up in reversed(self.up):
            x = up(x).relu_() + fine_to_coarse.pop()
        return x


class Head(nn.Module):
    """One shared 3x3 convolution, then a 1x1 for each thing to say."""

    def __init__(self, channels: int = NECK_CHANNELS) -> None:
        super().__init__()
        self.features = nn.Conv2d(channels, channels, 3, padding=1)
        self.heat = nn.Conv2d(channels, 1, 1)
        self.size = nn.Conv2d(channels, 2, 1)
        self.offset = nn.Conv2d(channels, 2, 1)
        self.landmarks = nn.Conv2d(channels, 10, 1)

    def forward(self, x: torch.Tensor) -> FaceMaps:
        x = self.features(x).relu_()
        return FaceMaps(self.heat(x).sigmoid(), self.size(x), self.offset(x), self.landmarks(x))


class CenterFaceNet(nn.Module):
    """Picture (B, 3, H, W) float RGB in 0-255, H and W multiples of 32, to `FaceMaps`."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = Neck()
        self.head = Head()

    def forward(self, picture: torch.Tensor) -> FaceMaps:
        maps: FaceMaps = self.head(self.neck(self.backbone(picture)))
        return maps
