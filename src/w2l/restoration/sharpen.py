"""The choice that needs no weights: it sharpens, and claims no more."""

from __future__ import annotations

import cv2
import numpy as np

RADIUS = 0.012  # standard deviation of the blur, as a share of the face's height
AMOUNT = 0.6  # share of what the blur removes that is added once more


class Sharpen:
    """Unsharp mask: the face plus 0.6 of its difference from itself blurred.

    The blur's radius grows with the face (1.2 % of its height, 0.8 px at least), since a face
    generated at 96 px is enlarged with the box. It brings back contrast at edges, and no detail.
    """

    label = "sharpening (unsharp mask), no restoration network"
    generates = False
    size = None
    aligned = False

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Sharpen a batch, uint8 (B, H, W, 3) BGR."""
        sigma = max(0.8, RADIUS * faces.shape[1])
        restored = np.empty_like(faces)
        for face, out in zip(faces, restored, strict=True):
            blurred = cv2.GaussianBlur(face, (0, 0), sigma)
            cv2.addWeighted(face, 1 + AMOUNT, blurred, -AMOUNT, 0, dst=out)
        return restored
