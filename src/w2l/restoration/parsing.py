"""Which pixels are the face, by a parser of 19 classes (BiSeNet trained on CelebAMask-HQ)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from w2l.restoration.alignment import frame_face
from w2l.restoration.restorer import FACE_SIZE

MEAN = np.array((0.485, 0.456, 0.406), np.float32)[:, None, None]  # ImageNet's, RGB
DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)[:, None, None]
# 1 skin, 2 and 3 brows, 4 and 5 eyes, 6 glasses, 10 nose, 11 mouth, 12 and 13 lips. Not the face:
# 0 background, 7 to 9 ears and their rings, 14 and 15 neck and necklace, 16 cloth, 17 hair, 18 hat.
FACE_CLASSES = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)
Scores = Callable[[np.ndarray], np.ndarray]
GROW = 0.02  # by which the face's region grows, as a share of the box's height: a jaw moves
FEATHER = 0.02  # deviation of the blur of its edge, likewise


class FaceParser:
    """Says how much of each pixel of a box is the face.

    Args:
        scores: RGB images with ImageNet's mean and deviation, float32 (B, 3, 512, 512), to class
            scores, (B, 19, 512, 512).
    """

    def __init__(self, scores: Scores) -> None:
        self._scores = scores

    def __call__(
        self, frame: np.ndarray, box: np.ndarray, landmarks: np.ndarray | None
    ) -> np.ndarray:
        """The face's region within a box.

        Args:
            frame: uint8 (H, W, 3) BGR.
            box: of the face, (left, top, right, bottom), integers.
            landmarks: (5, 2) or None, to frame it.

        Returns:
            float32 (bottom − top, right − left, 1) in [0, 1], with a soft edge.
        """
        framing = frame_face(box, landmarks, FACE_SIZE, aligned=True)
        rgb = framing.cut(frame)[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255
        (scores,) = self._scores(((rgb - MEAN) / DEVIATION)[None])
        face = np.isin(scores.argmax(axis=0), FACE_CLASSES).astype(np.float32)
        region = framing.back(face, box)
        height = region.shape[0]
        reach = max(1, round(GROW * height))
        region = cv2.dilate(region, np.ones((2 * reach + 1,) * 2, np.uint8))
        region = cv2.GaussianBlur(region, (0, 0), max(0.5, FEATHER * height))
        return np.clip(region, 0, 1)[..., None]
