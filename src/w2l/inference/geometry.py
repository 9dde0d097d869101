"""What happens to every image before anything looks at it: resize, rotate, crop."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from w2l.errors import UserError

_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@dataclass(frozen=True)
class Geometry:
    """Resize, then rotate, then crop, in the published order.

    Args:
        resize_factor: width and height are divided by it (bilinear), ≥ 1.
        rotate: degrees clockwise: 0, 90, 180 or 270.
        crop: (top, bottom, left, right) pixels of the rotated image, the ends excluded; -1 is
            the image's end.
    """

    resize_factor: int = 1
    rotate: int = 0
    crop: tuple[int, int, int, int] = (0, -1, 0, -1)

    def __post_init__(self) -> None:
        if self.resize_factor < 1:
            raise UserError(f"resize_factor must be 1 or more, not {self.resize_factor}.")
        if self.rotate not in {0, *_ROTATIONS}:
            raise UserError(f"rotate must be 0, 90, 180 or 270 degrees, not {self.rotate}.")

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Apply to one image, uint8 (H, W, 3); returns a contiguous one that may be changed.

        Raises:
            UserError: nothing of the image is left, or the crop reaches beyond it.
        """
        if self.resize_factor > 1:
            height, width = (side // self.resize_factor for side in frame.shape[:2])
            if min(height, width) < 1:
                raise UserError(f"resize_factor {self.resize_factor} leaves nothing of the image.")
            frame = cv2.resize(frame, (width, height))
        if self.rotate:
            frame = cv2.rotate(frame, _ROTATIONS[self.rotate])
        top, bottom, left, right = self.crop
        height, width = frame.shape[:2]
        bottom = height if bottom == -1 else bottom
        right = width if right == -1 else right
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise UserError(
                f"crop [top,bottom,left,right] = {list(self.crop)} is not inside the image of "
                f"{width}×{height}."
            )
        return np.ascontiguousarray(frame[top:bottom, left:right])
