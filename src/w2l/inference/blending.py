"""Putting a generated face back into its frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from w2l.errors import UserError

Quality = Literal["fast", "improved", "enhanced"]

# The mask is a superellipse inside the lower half of the box: full at the mouth, zero at its rim.
ROUNDNESS = 4.0  # exponent: 2 is an ellipse, larger is nearer to the rectangle
FEATHER = 0.35  # share of the radius over which the mask fades
# A face's box is so many mouths wide: median of 36 frames of the nine real clips.
BOX_IN_MOUTHS = 2.65

Mouth = tuple[float, float, float]
"""Centre x, centre y and width of a mouth, as shares of its face's box."""


@dataclass(frozen=True)
class MaskOptions:
    """Which part of a box is generated.

    Attributes:
        size: of the mask, as a share of the box's lower half, in (0, 1].
        feather: share of its radius over which it fades, in (0, 1].
        tracking: it follows the mouth, in place and size, where landmarks are known; never beyond
            the lower half, in which it lies otherwise.
    """

    size: float = 1.0
    feather: float = FEATHER
    tracking: bool = False

    def __post_init__(self) -> None:
        for name in ("size", "feather"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"mask_{name}={getattr(self, name)} must be over 0 and at most 1.")


def paste(
    frame: np.ndarray, box: np.ndarray, face: np.ndarray, strength: float = 1.0
) -> np.ndarray:
    """Replace the whole box, as published: bilinear, hard edges.

    Args:
        frame: uint8 (H, W, 3) BGR, changed in place.
        box: (left, top, right, bottom) in pixels, right and bottom excluded.
        face: generated, uint8 (S, S, 3) BGR.
        strength: 0 to 1: how much of the change is shown.

    Returns:
        `frame`.
    """
    left, top, right, bottom = (int(v) for v in box)
    whole = cv2.resize(face, (right - left, bottom - top))
    region = frame[top:bottom, left:right]
    region[:] = whole if strength == 1 else faded(region, whole, strength)
    return frame


def faded(source: np.ndarray, result: np.ndarray, strength: float) -> np.ndarray:
    """source + strength · (result − source), uint8: the source at 0, the result at 1."""
    mixed = source + strength * (result.astype(np.float32) - source)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def blend(
    frame: np.ndarray,
    box: np.ndarray,
    face: np.ndarray,
    mask: np.ndarray | None = None,
    strength: float = 1.0,
) -> np.ndarray:
    """Replace only the mouth and chin, through a feathered mask in the lower half of the box.

    Pixels above the box's middle and outside the box stay exactly the source's. The generated
    colours are shifted by their median difference from the source in the fading rim, where both
    show the same skin.

    Args:
        frame, box, face: as for `paste`.
        mask: of the whole box, as from `coverage`, of which the lower half counts; None: the
            default one.
        strength: 0 to 1: how much of the change is shown.

    Returns:
        `frame`.
    """
    left, top, right, bottom = (int(v) for v in box)
    middle = (top + bottom + 1) // 2
    if middle >= bottom:  # a box one pixel high has no lower half
        return frame
    # Bicubic keeps 0.7 dB more of a 96 px face than bilinear.
    whole = cv2.resize(face, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC)
    generated = whole[middle - top :]
    region = frame[middle:bottom, left:right]
    if mask is None:
        mask = coverage(bottom - top, right - left, "improved")
    alpha = mask[middle - top :]
    # In place, and with an alpha for each channel: NumPy is slow along an axis of three.
    shift = np.array([*colour_shift(region, generated, alpha), 0])
    mixed: np.ndarray = cv2.add(generated, shift, dtype=cv2.CV_32F)
    source = region.astype(np.float32)
    mixed -= source
    mixed *= cv2.merge([alpha, alpha, alpha])
    mixed += source
    # Where the mask is zero the sum is the source itself, so rounding brings it back exactly.
    result = np.clip(np.rint(mixed, out=mixed), 0, 255, out=mixed).astype(np.uint8)
    region[:] = result if strength == 1 else faded(region, result, strength)
    return frame


def colour_shift(
    source: np.ndarray, generated: np.ndarray, alpha: np.ndarray
) -> tuple[float, float, float]:
    """Median of source − generated in the mask's fading rim, for each channel.

    Measured on three shared clips with generated faces simulated by shrinking the true ones to
    96 px and tinting them: a cast of 8 levels costs 6 dB without the shift and 0.1 dB with it. A
    mean loses up to 2.3 dB where the head moved, the median 0.4 dB at most.

    Args:
        source, generated: uint8 (h, w, 3).
        alpha: float32 (h, w, 1) in [0, 1].

    Returns:
        The shifts; zeros where nothing fades.
    """
    rim = cv2.inRange(alpha, 0.05, 0.95)
    n = cv2.countNonZero(rim)
    if n == 0:
        return 0.0, 0.0, 0.0
    # Whole numbers from -255 to 255 are counted, which is quicker than sorting.
    difference = cv2.subtract(source, generated, dtype=cv2.CV_16S)
    levels = (difference + np.int16(255)).view(np.uint16)
    middles = ((n - 1) // 2, n // 2)
    shifts = []
    for channel in range(3):
        counts = cv2.calcHist([levels], [channel], rim, [511], [0, 511])
        until = counts.ravel().cumsum(dtype=np.int64)
        shifts.append(float(np.searchsorted(until, middles, "right").mean()) - 255)
    return shifts[0], shifts[1], shifts[2]


def coverage(
    height: int,
    width: int,
    quality: Quality,
    options: MaskOptions | None = None,
    mouth: Mouth | None = None,
) -> np.ndarray:
    """How much of each pixel of a box is generated, float32 (height, width, 1) in [0, 1].

    Args:
        height, width: of the box.
        quality: "fast" pastes all of it.
        options: of the other qualities' mask; None: the default.
        mouth: where it is, for a mask that follows it.
    """
    if quality == "fast":
        return np.ones((height, width, 1), np.float32)
    options = options or MaskOptions()
    upper = (height + 1) // 2
    lower = height - upper
    if mouth is None or not options.tracking or not lower:
        alpha = mouth_mask(lower, width, options.feather, options.size)
    else:
        x, y, share = mouth
        centre = (2 * x - 1, 2 * (y * height - upper) / lower - 1)
        size = options.size * min(1.0, BOX_IN_MOUTHS * share)
        alpha = superellipse(lower, width, options.feather, size, centre)
        alpha = alpha * mouth_mask(lower, width, options.feather)  # no edge where the box ends
    return np.concatenate([np.zeros((upper, width, 1), np.float32), alpha])


@lru_cache(maxsize=64)  # boxes of a steady face come in a few sizes
def mouth_mask(height: int, width: int, feather: float = FEATHER, size: float = 1.0) -> np.ndarray:
    """Feathered superellipse in the middle of a rectangle, float32 (height, width, 1).

    With `size` 1 it fills the rectangle and is 0 at its rim.
    """
    return superellipse(height, width, feather, size, (0.0, 0.0))


def superellipse(
    height: int, width: int, feather: float, size: float, centre: tuple[float, float]
) -> np.ndarray:
    """A feathered superellipse anywhere in a rectangle, float32 (height, width, 1) in [0, 1].

    Args:
        height, width: of the rectangle, in pixels.
        feather: share of the radius over which it fades.
        size: its size as a share of the rectangle's.
        centre: (x, y), −1 to 1 from one side of the rectangle to the other.
    """
    y = np.abs(np.linspace(-1, 1, height, dtype=np.float32) - np.float32(centre[1]))[:, None]
    x = np.abs(np.linspace(-1, 1, width, dtype=np.float32) - np.float32(centre[0]))[None]
    radius = (x**ROUNDNESS + y**ROUNDNESS) ** (1 / ROUNDNESS) / np.float32(size)
    t = np.clip((1 - radius) / np.float32(feather), 0, 1)
    return (t * t * (3 - 2 * t))[..., None]  # smoothstep: no visible edge at either end
