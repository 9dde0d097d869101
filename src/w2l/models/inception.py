"""Inception v3 as FID knows it: TensorFlow's of 2015, whose pools differ from torchvision's.

Names of layers are those of the published `pt_inception-2015-12-05-6726825d.pth` (pytorch-fid).
Source: C Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016;
M Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Size = int | tuple[int, int]
INPUT = 299  # px, side


class Conv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self, in_channels: int, channels: int, kernel: Size = 1, stride: int = 1, padding: Size = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def _wide(in_channels: int, channels: int, length: int = 7) -> Conv:
    return Conv(in_channels, channels, (1, length), padding=(0, length // 2))


def _tall(in_channels: int, channels: int, length: int = 7) -> Conv:
    return Conv(in_channels, channels, (length, 1), padding=(length // 2, 0))


def _mean(x: Tensor) -> Tensor:
    """Mean over 3×3, in which what lies beyond the edge does not count, as in TensorFlow."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class MixedA(nn.Module):
    def __init__(self, in_channels: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(in_channels, 64)
        self.branch5x5_1 = Conv(in_channels, 48)
        self.branch5x5_2 = Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(in_channels, 64)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(in_channels, pooled)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        five = self.branch5x5_2(self.branch5x5_1(x))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(_mean(x))], 1)


class MixedB(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(in_channels, 384, 3, 2)
        self.branch3x3dbl_1 = Conv(in_channels, 64)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class MixedC(nn.Module):
    def __init__(self, in_channels: int, inner: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(in_channels, 192)
        self.branch7x7_1 = Conv(in_channels, inner)
        self.branch7x7_2 = _wide(inner, inner)
        self.branch7x7_3 = _tall(inner, 192)
        self.branch7x7dbl_1 = Conv(in_channels, inner)
        self.branch7x7dbl_2 = _tall(inner, inner)
        self.branch7x7dbl_3 = _wide(inner, inner)
        self.branch7x7dbl_4 = _tall(inner, inner)
        self.branch7x7dbl_5 = _wide(inner, 192)
        self.branch_pool = Conv(in_channels, 192)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(_mean(x))], 1)


class MixedD(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(in_channels, 192)
        self.branch3x3_2 = Conv(192, 320, 3, 2)
        self.branch7x7x3_1 = Conv(in_channels, 192)
        self.branch7x7x3_2 = _wide(192, 192)
        self.branch7x7x3_3 = _tall(192, 192)
        self.branch7x7x3_4 = Conv(192, 192, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat([three, self.branch7x7x3_4(seven), F.max_pool2d(x, 3, 2)], 1)


class MixedE(nn.Module):
    """With a mean (`largest` false) or, in the very last block, a maximum in its pool's branch."""

    def __init__(self, in_channels: int, largest: bool) -> None:
        super().__init__()
        self.largest = largest
        self.branch1x1 = Conv(in_channels, 320)
        self.branch3x3_1 = Conv(in_channels, 384)
        self.branch3x3_2a = _wide(384, 384, 3)
        self.branch3x3_2b = _tall(384, 384, 3)
        self.branch3x3dbl_1 = Conv(in_channels, 448)
        self.branch3x3dbl_2 = Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _wide(384, 384, 3)
        self.branch3x3dbl_3b = _tall(384, 384, 3)
        self.branch_pool = Conv(in_channels, 192)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, 1, 1) if self.largest else _mean(x)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(three),
                self.branch3x3_2b(three),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(pooled),
            ],
            1,
        )


class FidInception(nn.Module):
    """Images to the 2048 features whose distributions FID compares.

    Built with random weights, which give no FID: `w2l.checkpoints.load_inception` fills in the
    published ones.
    """

    num_features = 2048

    def __init__(self) -> None:
        super().__init__()
        self.config: dict[str, float] = {}
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b = MixedA(192, 32)
        self.Mixed_5c = MixedA(256, 64)
        self.Mixed_5d = MixedA(288, 64)
        self.Mixed_6a = MixedB(288)
        self.Mixed_6b = MixedC(768, 128)
        self.Mixed_6c = MixedC(768, 160)
        self.Mixed_6d = MixedC(768, 160)
        self.Mixed_6e = MixedC(768, 192)
        self.Mixed_7a = MixedD(768)
        self.Mixed_7b = MixedE(1280, largest=False)
        self.Mixed_7c = MixedE(2048, largest=True)
        self.fc = nn.Linear(2048, 1008)  # in the published file; FID does not use it

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, 2048) of images uint8 BGR (N, 3, H, W) of any size.

        They are resized bilinearly to 299 px, without antialiasing, as pytorch-fid does.
        """
        x = images.flip(1).float() / 255
        x = 2 * F.interpolate(x, (INPUT, INPUT), mode="bilinear", align_corners=False) - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean(dim=(2, 3))
