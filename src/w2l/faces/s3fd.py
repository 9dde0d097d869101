"""S3FD, the detector of the published system, through the `face-alignment` package."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from w2l.components import Faces
from w2l.errors import UserError
from w2l.faces.face_alignment import package
from w2l.memory import Shrinking
from w2l.weights import locate


class S3FD:
    """Face boxes and scores, best first; no landmarks. Made for a GPU: on a CPU it takes seconds.

    The published inference keeps the first face of each frame (`track.first`) and clips its box at
    0, as is done here. It also shows the network RGB, though the weights were made for BGR; the
    scores differ a little.

    Args:
        weights: file `s3fd-619a316812.pth`; "s3fd": the published one, which is fetched.
        device: for the network.
        threshold: faces must score more than this. The real-video protocol asks for 0.9.
        scale: frames are scaled by this before detection. The real-video protocol's is 0.25.
        batch_size: frames in the network at once.
        published: show the network RGB, as the published inference does.

    Raises:
        UserError: the weights file is missing, or not one of S3FD.
    """

    def __init__(
        self,
        weights: str | Path = "s3fd",
        device: str | torch.device = "cpu",
        *,
        threshold: float = 0.5,
        scale: float = 1.0,
        batch_size: int = 4,
        published: bool = False,
    ) -> None:
        weights = locate(weights)
        if not weights.is_file():
            raise UserError(
                f"There is no S3FD weights file {weights}: fetch s3fd-619a316812.pth, or choose "
                "detector=centerface, which needs none."
            )
        self.device = torch.device(device)
        self.scale = scale
        self._fitting = Shrinking(self._detect, batch_size)
        self.published = published
        sfd = package("detection.sfd")
        try:
            self._detector = sfd.FaceDetector(
                str(device), path_to_detector=str(weights), filter_threshold=threshold
            )
        # What torch.load and load_state_dict raise for other files, by the kind of file.
        except (
            RuntimeError,
            pickle.UnpicklingError,
            EOFError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            raise UserError(
                f"{weights} does not hold S3FD's weights: expected the file s3fd-619a316812.pth."
            ) from error

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        """Faces of each frame (H, W, 3) uint8 BGR, best first; the frames' sizes may differ."""
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, frame in enumerate(frames):
            by_shape[frame.shape].append(i)
        faces = [Faces.none()] * len(frames)
        for indices in by_shape.values():
            found = self._fitting([frames[i] for i in indices])
            for i, each in zip(indices, found, strict=True):
                faces[i] = each
        return faces

    def _detect(self, frames: list[np.ndarray]) -> list[Faces]:
        if self.scale != 1.0:
            frames = [cv2.resize(f, None, fx=self.scale, fy=self.scale) for f in frames]
        batch = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
        # The package takes RGB and turns it into BGR for the network.
        batch = batch if self.published else batch.flip(1)
        faces = []
        for found in self._detector.detect_from_batch(batch):
            rows = np.array(found, dtype=np.float32).reshape(-1, 5)
            boxes = np.clip(rows[:, :4] / np.float32(self.scale), 0, None)
            faces.append(Faces(boxes, rows[:, 4]))
        return faces
