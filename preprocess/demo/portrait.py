"""The one portrait of the demo: the photograph, its masks, and where its features are.

All coordinates are (x, y) in pixels of the 512×512 photograph. The part that is used is enlarged
`SCALE` times, the "canvas", on which faces are painted and mouths are moved.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import skimage.data

MASKS = Path(__file__).with_name("masks.png")
LEFT, TOP, RIGHT, BOTTOM = 60, 0, 390, 290
SCALE = 2
FACE_CENTRE = (224.0, 118.0)
# The edges of the lips, measured on the photograph, which shows a smile with the upper teeth:
# the lower edge of the upper lip and the upper edge of the lower lip meet in the corners.
LIP_X = (202.5, 205, 208, 211, 215, 220, 225, 230, 235, 240, 245)
UPPER_LIP_Y = (139.5, 139.9, 140.3, 141.0, 142.2, 143.6, 144.1, 143.4, 142.4, 141.3, 140.5)
LOWER_LIP_Y = (139.5, 142.5, 145.3, 147.6, 149.3, 150.2, 150.2, 149.6, 147.6, 144.4, 140.5)
CHIN_Y = 178.0
COLLAR_Y = 188.0


class Portrait(NamedTuple):
    """The enlarged part of the photograph: H = 580, W = 660."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    person: np.ndarray  # (H, W) float32 in [0, 1], like the masks below
    hair: np.ndarray
    clothes: np.ndarray


def photograph() -> np.ndarray:
    """NASA's portrait of astronaut Eileen Collins, (512, 512, 3) uint8 BGR.

    Public domain; it lies inside scikit-image's wheel, so nothing is downloaded.
    """
    return cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)


@cache
def portrait() -> Portrait:
    """The portrait, enlarged; do not write into its arrays."""
    image = photograph()[TOP:BOTTOM, LEFT:RIGHT]
    masks = np.asarray(cv2.imread(str(MASKS)), np.float32) / 255
    size = (SCALE * (RIGHT - LEFT), SCALE * (BOTTOM - TOP))
    image = cv2.resize(image, size, interpolation=cv2.INTER_LANCZOS4)
    person, hair, clothes = cv2.split(cv2.resize(masks, size, interpolation=cv2.INTER_LINEAR))
    return Portrait(image, person, hair, clothes)
