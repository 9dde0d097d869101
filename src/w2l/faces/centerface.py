"""The embedded face detector: CenterFace, with its weights beside this file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from w2l import boxes as box_ops
from w2l.components import Faces
from w2l.faces.batches import chunks, scaled
from w2l.faces.centerface_net import CenterFaceNet, FaceMaps

WEIGHTS = Path(__file__).with_name("centerface.safetensors")
CELL = 4  # pixels of the network's picture for one cell of its maps
MULTIPLE = 32  # the coarsest map halves the picture five times
# Pixels in the network at once. More are slower on a CPU, where new memory is what takes the time.
PIXELS_CPU, PIXELS_GPU = 2**18, 2**23


class CenterFace:
    """Face boxes, scores and five landmarks, for frames of any size.

    It was trained on WIDER FACE. Boxes reach from the hairline to the chin; faces are found from
    about 16 px of the working size on, up to the whole picture.

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
        pictures = np.stack([_fit(frame, inner) for frame in frames])
        # BGR to RGB; the memory stays as it lies, which is what channels_last means.
        tensor = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2).flip(1).float()
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
    """Boxes (N, 4), scores (N,) and landmarks (N, 5, 2) of each picture, before suppression.

    In pixels of the network's picture; all cells over the threshold.
    """
    hot = maps.heat[:, 0] > threshold
    index = hot.nonzero()  # (M, 3): picture, row, column
    rows = index[:, 0], slice(None), index[:, 1], index[:, 2]
    # One transfer for all: from here on there are a handful of numbers.
    values = torch.cat([m[rows] for m in maps], dim=1).cpu().numpy()  # (M, 1 + 2 + 2 + 10)
    picture, cell = np.split(index.cpu().numpy(), [1], axis=1)
    score, size, offset, points = np.split(values, [1, 3, 5], axis=1)
    size = np.exp(size) * CELL
    top_left = (cell + 0.5 + offset) * CELL - size / 2
    points = points.reshape(-1, 5, 2) * size[:, None] + top_left[:, None]
    # The network speaks of y before x.
    boxes = np.concatenate([top_left[:, ::-1], (top_left + size)[:, ::-1]], axis=1)
    for i in range(len(hot)):
        mine = picture[:, 0] == i
        yield (
            boxes[mine].astype(np.float32),
            score[mine, 0].astype(np.float32),
            points[mine, :, ::-1].astype(np.float32),
        )
