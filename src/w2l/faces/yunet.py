"""YuNet, the small detector of OpenCV's model zoo, from its .onnx file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from w2l.components import Faces
from w2l.errors import UserError
from w2l.faces.batches import Found, in_batches


class YuNet:
    """Face boxes, scores and five landmarks, best first, on the CPU.

    Args:
        weights: `.onnx` file, such as `face_detection_yunet_2023mar.onnx`.
        size: frames with a longer side than this (pixels) are scaled down to it.
        threshold: least score of a face.
        nms_iou: of two faces that overlap this much only the better one is kept.

    Raises:
        UserError: no such file, or none that OpenCV takes as YuNet.

    Source: W. Wu et al., YuNet: A Tiny Millisecond-level Face Detector, 2023.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        size: int = 640,
        threshold: float = 0.5,
        nms_iou: float = 0.3,
    ) -> None:
        if not Path(weights).is_file():
            raise UserError(
                f"There is no YuNet file {weights}: fetch face_detection_yunet_2023mar.onnx from "
                "OpenCV's model zoo, or choose detector=centerface, which needs none."
            )
        self.size = size
        try:
            self._net = cv2.FaceDetectorYN.create(
                str(weights), "", (320, 320), threshold, nms_iou, top_k=5000
            )
        except cv2.error as error:
            raise UserError(f"{weights} is no YuNet that OpenCV reads.") from error

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        """Faces of each frame (H, W, 3) uint8 BGR; the frames' sizes may differ."""
        return in_batches(frames, self.size, 1, self._find)

    def _find(self, batch: np.ndarray) -> list[Found]:
        self._net.setInputSize(batch.shape[2:0:-1])
        found = []
        for image in batch:
            rows = self._net.detect(image)[1]
            rows = np.zeros((0, 15), np.float32) if rows is None else rows
            rows = rows[np.argsort(-rows[:, 14], kind="stable")]
            boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
            # The person's right eye, which is on the image's left, comes first.
            found.append((boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2)))
        return found
