"""RetinaFace, the detector of faster forks of the release: `mobilenet.pth` and `resnet50.pth`."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from w2l import boxes as box_ops
from w2l.components import Faces
from w2l.errors import UserError, either
from w2l.faces.batches import Found, in_batches
from w2l.files import sha256
from w2l.weights import locate

STRIDES = (8, 16, 32)
MAKES = {  # sizes of the anchors in pixels, two for each stride; the leak of the narrow ReLUs
    "pytorch_retinaface": ((16, 32, 64, 128, 256, 512), 0.1),
    "face_detector_1mb": ((10, 20, 32, 64, 128, 256), 0.0),
}
# Of files that state nothing: the same entries, put together otherwise.
KNOWN = {
    "ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1": "face_detector_1mb",
}
MEAN_BGR = (104.0, 117.0, 123.0)
VARIANCES = (0.1, 0.2)
PIXELS_CPU, PIXELS_GPU = 2**18, 2**23  # in the network at once


class RetinaFace:
    """Face boxes, scores and five landmarks, best first, for frames of any size.

    Which of the two networks it is, is told by the file.

    Args:
        weights: file of the MobileNet 0.25 (1.8 MB, quick on a CPU) or of the ResNet-50 (110 MB);
            "retinaface_resnet50": the published one, which is fetched.
        device: for the network.
        size: frames with a longer side than this (pixels) are scaled down to it.
        threshold: least score of a face.
        nms_iou: of two faces that overlap this much only the better one is kept.
        make: of a MobileNet, whose file does not say it: "pytorch_retinaface" (the faster forks),
            "face_detector_1mb" (biubug6/Face-Detector-1MB-with-landmark: other anchors, plain
            ReLUs); "auto": that of a known file, else the first.

    Raises:
        UserError: no such file, none of RetinaFace, or no such make.

    Source: J. Deng et al., RetinaFace, CVPR 2020, as in biubug6/Pytorch_Retinaface.
    """

    def __init__(
        self,
        weights: str | Path = "retinaface_resnet50",
        device: str | torch.device = "cpu",
        *,
        size: int = 640,
        threshold: float = 0.5,
        nms_iou: float = 0.4,
        make: str = "auto",
    ) -> None:
        self.device = torch.device(device)
        self.size, self.threshold, self.nms_iou = size, threshold, nms_iou
        if make not in {"auto", *MAKES}:
            raise UserError(f"make={make} is not known: choose {either(['auto', *MAKES])}.")
        file = locate(weights)
        net = load_net(file, make).eval().to(self.device)
        self.anchors = net.anchors
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean = torch.tensor(MEAN_BGR, device=self.device)

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        """Faces of each frame (H, W, 3) uint8 BGR; the frames' sizes may differ."""
        pixels = PIXELS_CPU if self.device.type == "cpu" else PIXELS_GPU
        return in_batches(frames, self.size, pixels, self._find)

    @torch.inference_mode()
    def _find(self, batch: np.ndarray) -> list[Found]:
        images = torch.from_numpy(batch).to(self.device).float() - self._mean
        offsets, scores, points = self.net(images.permute(0, 3, 1, 2))
        anchors = anchor_boxes(batch.shape[1], batch.shape[2], self.anchors).to(self.device)
        near, step = anchors[:, :2], anchors[:, 2:]
        centre = near + offsets[..., :2] * VARIANCES[0] * step
        half = step * torch.exp(offsets[..., 2:] * VARIANCES[1]) / 2
        boxes = torch.cat([centre - half, centre + half], dim=2)
        marks = near[:, None] + points.unflatten(2, (5, 2)) * VARIANCES[0] * step[:, None]
        found = []
        for each, score, mark in zip(boxes, scores, marks, strict=True):
            hot = score > self.threshold
            kept = tuple(part[hot].cpu().numpy() for part in (each, score, mark))
            best = box_ops.nms(kept[0], kept[1], self.nms_iou)
            found.append((kept[0][best], kept[1][best], kept[2][best]))
        return found


def anchor_boxes(height: int, width: int, anchors: Sequence[int]) -> Tensor:
    """Centre x and y, width and height in pixels of every anchor, float32 (A, 4)."""
    levels = []
    for stride, *sizes in zip(STRIDES, anchors[::2], anchors[1::2], strict=True):
        rows, columns = -(-height // stride), -(-width // stride)
        y, x, size = torch.meshgrid(
            (torch.arange(rows) + 0.5) * stride, (torch.arange(columns) + 0.5) * stride,
            torch.tensor(sizes, dtype=torch.float32), indexing="ij",
        )  # fmt: skip
        levels.append(torch.stack([x, y, size, size], dim=-1).reshape(-1, 4))
    return torch.cat(levels)


def load_net(path: Path, make: str) -> RetinaNet:
    """The network with the weights of a file, however its entries are wrapped.

    Raises:
        UserError: no such file, or another network's.
    """
    if not path.is_file():
        raise UserError(
            f"There is no RetinaFace weights file {path}: name mobilenet.pth or resnet50.pth, or "
            "choose detector=centerface, which needs none."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state: Mapping[str, Any] = content.get("state_dict", content)
        state = {name.removeprefix("module."): value for name, value in state.items()}
        if make == "auto":
            make = KNOWN.get(sha256(path), "pytorch_retinaface")
        net = RetinaNet("body.stage1.0.0.weight" in state, *MAKES[make])
        net.load_state_dict({k: v for k, v in state.items() if not k.startswith(("body.fc", "fc"))})
    except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError, TypeError) as error:
        raise UserError(
            f"{path} does not hold RetinaFace's weights: expected mobilenet.pth "
            "(mobilenet0.25_Final.pth) or resnet50.pth (Resnet50_Final.pth)."
        ) from error
    return net


def conv(
    given: int, made: int, kernel: int = 3, stride: int = 1, slope: float | None = 0.0
) -> nn.Sequential:
    """Convolution and batch norm; a leaky ReLU unless its slope is None."""
    layers = [nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(made)]
    return nn.Sequential(*layers, *([] if slope is None else [nn.LeakyReLU(slope)]))


def separable(given: int, made: int, stride: int, slope: float) -> nn.Sequential:
    """Each channel by itself, then all of them, as in MobileNet."""
    depthwise = nn.Conv2d(given, given, 3, stride, 1, groups=given, bias=False)
    return nn.Sequential(
        depthwise, nn.BatchNorm2d(given), nn.LeakyReLU(slope),
        nn.Conv2d(given, made, 1, bias=False), nn.BatchNorm2d(made), nn.LeakyReLU(slope),
    )  # fmt: skip


class MobileBody(nn.Module):
    """MobileNet of a quarter of the width: maps of strides 8, 16 and 32."""

    channels = (64, 128, 256)

    def __init__(self, slope: float) -> None:
        super().__init__()
        first = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
        second = [(64, 128, 2), *[(128, 128, 1)] * 5]
        third = [(128, 256, 2), (256, 256, 1)]
        self.stage1 = nn.Sequential(
            conv(3, 8, 3, 2, slope), *(separable(*each, slope) for each in first)
        )
        self.stage2 = nn.Sequential(*(separable(*each, slope) for each in second))
        self.stage3 = nn.Sequential(*(separable(*each, slope) for each in third))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stage1(x)
        y = self.stage2(x)
        return [x, y, self.stage3(y)]


class Bottleneck(nn.Module):
    """ResNet's: 1×1, 3×3 (with the stride), 1×1 to four times the channels, plus the input."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        made = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(given, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, made, 1, bias=False), nn.BatchNorm2d(made)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or given != made:
            self.downsample = nn.Sequential(
                nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNetBody(nn.Module):
    """ResNet-50: maps of strides 8, 16 and 32."""

    channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        given = 64
        for number, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            blocks = []
            for i in range(depth):
                blocks.append(Bottleneck(given, width, 2 if number > 1 and i == 0 else 1))
                given = 4 * width
            setattr(self, f"layer{number}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        maps = [x]
        for number in range(1, 5):
            maps.append(getattr(self, f"layer{number}")(maps[-1]))
        return maps[2:]


class Pyramid(nn.Module):
    """Each map gets what the coarser ones know."""

    def __init__(self, given: Sequence[int], made: int, slope: float) -> None:
        super().__init__()
        for number, channels in enumerate(given, 1):
            setattr(self, f"output{number}", conv(channels, made, 1, 1, slope))
        self.merge1 = conv(made, made, 3, 1, slope)
        self.merge2 = conv(made, made, 3, 1, slope)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = (getattr(self, f"output{i}")(x) for i, x in enumerate(maps, 1))
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:]))
        fine = self.merge1(fine + F.interpolate(middle, size=fine.shape[2:]))
        return [fine, middle, coarse]


class Context(nn.Module):
    """Sees 3×3, 5×5 and 7×7 cells around each."""

    def __init__(self, channels: int, slope: float) -> None:
        super().__init__()
        quarter = channels // 4
        self.conv3X3 = conv(channels, channels // 2, slope=None)
        self.conv5X5_1 = conv(channels, quarter, slope=slope)
        self.conv5X5_2 = conv(quarter, quarter, slope=None)
        self.conv7X7_2 = conv(quarter, quarter, slope=slope)
        self.conv7x7_3 = conv(quarter, quarter, slope=None)

    def forward(self, x: Tensor) -> Tensor:
        near = self.conv5X5_1(x)
        far = self.conv7x7_3(self.conv7X7_2(near))
        return F.relu(torch.cat([self.conv3X3(x), self.conv5X5_2(near), far], dim=1))


class Head(nn.Module):
    """`size` numbers for each of a cell's two anchors."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, 2 * size, 1)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1x1(x).permute(0, 2, 3, 1).reshape(len(x), -1, self.size)


class RetinaNet(nn.Module):
    """The whole network; names of its entries as published.

    Args:
        is_mobile: MobileNet 0.25 beneath, else ResNet-50.
        anchors: sizes in pixels, two for each stride.
        slope: of the ReLUs, where the network is narrow.
    """

    def __init__(self, is_mobile: bool, anchors: Sequence[int], slope: float) -> None:
        super().__init__()
        self.anchors = tuple(anchors)
        self.body = MobileBody(slope) if is_mobile else ResNetBody()
        channels, slope = (64, slope) if is_mobile else (256, 0.0)
        self.fpn = Pyramid(self.body.channels, channels, slope)
        self.ssh1, self.ssh2, self.ssh3 = (Context(channels, slope) for _ in STRIDES)
        self.ClassHead, self.BboxHead, self.LandmarkHead = (
            nn.ModuleList(Head(channels, size) for _ in STRIDES) for size in (2, 4, 10)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) BGR less its mean → boxes (B, A, 4), scores (B, A), landmarks (B, A, 10)."""
        maps = self.fpn(self.body(images))
        seen = [ssh(x) for ssh, x in zip((self.ssh1, self.ssh2, self.ssh3), maps, strict=True)]
        classes, boxes, points = (
            torch.cat([head(x) for head, x in zip(heads, seen, strict=True)], dim=1)
            for heads in (self.ClassHead, self.BboxHead, self.LandmarkHead)
        )
        return boxes, classes.softmax(dim=2)[..., 1], points
