"""How stored images lie: turned or mirrored, in one of eight ways."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

_STRAIGHT = 0.01  # share of the larger entry up to which an entry of the matrix counts as 0


class Orientation(NamedTuple):
    """What makes a stored image upright, in this order.

    Attributes:
        transposed: rows become columns.
        mirrored: left and right change places.
        flipped: top and bottom change places.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """By the display matrix of a decoded image; as it is where there is none, or a slant."""
        # (PyAV's own types call the keys strings.)
        matrix = cast(Any, frame.side_data).get(Type.DISPLAYMATRIX)
        if matrix is None:
            return cls()
        # x' = ax + cy, y' = bx + dy
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(float)
        largest = max(abs(a), abs(b), abs(c), abs(d))
        if max(abs(b), abs(c)) <= _STRAIGHT * largest:
            return cls(False, a < 0, d < 0)
        if max(abs(a), abs(d)) <= _STRAIGHT * largest:
            return cls(True, c < 0, b < 0)
        return cls()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The image (H, W, 3) upright; H and W change places where it is transposed."""
        if self.transposed:
            image = cv2.transpose(image)
        if self.mirrored or self.flipped:
            image = cv2.flip(image, -1 if self.mirrored and self.flipped else int(self.mirrored))
        return image
