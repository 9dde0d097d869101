"""The embedded face detector: CenterFace, with its weights beside this file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from w2l import boxes as box_ops
from w2l.components import Faces
from w2l.faces.batches import chunks, scaled

NECK_CHANNELS = 24
CELL = 4  # pixels of the network's image for one cell of its maps
MULTIPLE = 32  # the coarsest map halves the image five times
# Pixels in the network at once. More are slower on a CPU, where new memory is what takes the time.
PIXELS_CPU, PIXELS_GPU = 2**18, 2**23


class FaceMaps(NamedTuple):
    """What the network says about each 4x4 px cell of the image; h = H/4, w = W/4."""

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
    """MobileNetV2 without its classifier: maps at 1/4, 1/8, 1/16 and 1/32 of the image."""

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
    """Image (B, 3, H, W) float RGB in 0-255, H and W multiples of 32, to `FaceMaps`."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = Neck()
        self.head = Head()

    def forward(self, image: torch.Tensor) -> FaceMaps:
        maps: FaceMaps = self.head(self.neck(self.backbone(image)))
        return maps


WEIGHTS = Path(__file__).with_name("centerface.safetensors")


class CenterFace:
    """Face boxes, scores and five landmarks, for frames of any size.

    It was trained on WIDER FACE. Boxes reach from the hairline to the chin; faces are found from
    about 16 px of the working size on, up to the whole image.

    Args:
        device: for the network.
        weights: `.safetensors` file; by default the embedded one.
        size: working size: frames with a longer side than this (pixels) are scaled down to it.
        threshold: least score of a face.
        nms_iou: of two faces that overlap this much only the better one is kept.
    """

    def __init__(
        self,
        device: str | torch.device = "cpu",
        *,
        weights: str | Path = WEIGHTS,
        size: int = 640,
        threshold: float = 0.5,
        nms_iou: float = 0.3,
    ) -> None:
        self.device = torch.device(device)
        self.size = size
        self.threshold = threshold
        self.nms_iou = nms_iou
        net = CenterFaceNet()
        net.load_state_dict(load_file(weights))
        net = net.eval().to(self.device)
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        """Faces of each frame (H, W, 3) uint8 BGR, best first; the frames' sizes may differ."""
        faces = [Faces.none()] * len(frames)
        pixels = PIXELS_CPU if self.device.type == "cpu" else PIXELS_GPU
        for chunk, inner in chunks(frames, self.size, pixels):
            found = self._detect([frames[i] for i in chunk], inner)
            for i, those in zip(chunk, found, strict=True):
                faces[i] = those
        return faces

    @torch.inference_mode()
    def _detect(self, frames: list[np.ndarray], inner: tuple[int, int]) -> list[Faces]:
        """Faces of frames of one size, scaled to `inner` (height, width) for the network."""
        height, width = frames[0].shape[:2]
        images = np.stack([_fit(frame, inner) for frame in frames])
        # BGR to RGB; the memory stays as it lies, which is what channels_last means.
        tensor = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).flip(1).float()
        maps: FaceMaps = self.net(tensor.contiguous(memory_format=torch.channels_last))
        ratio = np.array([width / inner[1], height / inner[0]], dtype=np.float32)
        limit = np.array([width, height], dtype=np.float32)
        faces = []
        for boxes, scores, landmarks in _decode(maps, self.threshold):
            boxes = np.clip(boxes.reshape(-1, 2, 2) * ratio, 0, limit).reshape(-1, 4)
            keep = box_ops.nms(boxes, scores, self.nms_iou)
            faces.append(Faces(boxes[keep], scores[keep], (landmarks * ratio)[keep]))
        return faces


def _fit(frame: np.ndarray, inner: tuple[int, int]) -> np.ndarray:
    """Scale a frame to `inner` (height, width), then pad it on the right and below with black."""
    frame = scaled(frame, inner)
    below, right = (-length % MULTIPLE for length in inner)
    return np.pad(frame, ((0, below), (0, right), (0, 0)))


def _decode(
    maps: FaceMaps, threshold: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Boxes (N, 4), scores (N,) and landmarks (N, 5, 2) of each image, before suppression.

    In pixels of the network's image; all cells over the threshold.
    """
    hot = maps.heat[:, 0] > threshold
    index = hot.nonzero()  # (M, 3): image, row, column
    rows = index[:, 0], slice(None), index[:, 1], index[:, 2]
    # One transfer for all: from here on there are a handful of numbers.
    values = torch.cat([m[rows] for m in maps], dim=1).cpu().numpy()  # (M, 1 + 2 + 2 + 10)
    image, cell = np.split(index.cpu().numpy(), [1], axis=1)
    score, size, offset, points = np.split(values, [1, 3, 5], axis=1)
    size = np.exp(size) * CELL
    top_left = (cell + 0.5 + offset) * CELL - size / 2
    points = points.reshape(-1, 5, 2) * size[:, None] + top_left[:, None]
    # The network speaks of y before x.
    boxes = np.concatenate([top_left[:, ::-1], (top_left + size)[:, ::-1]], axis=1)
    for i in range(len(hot)):
        mine = image[:, 0] == i
        yield (
            boxes[mine].astype(np.float32),
            score[mine, 0].astype(np.float32),
            points[mine, :, ::-1].astype(np.float32),
        )
