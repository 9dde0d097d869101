"""Putting a generated face back into its frame."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

Quality = Literal["fast", "improved"]

# The mask is a superellipse inside the lower half of the box: full at the mouth, zero at its rim.
ROUNDNESS = 4.0  # exponent: 2 is an ellipse, larger is nearer to the rectangle
FEATHER = 0.35  # share of the radius over which the mask fades


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
    frame: np.ndarray, box: np.ndarray, face: np.ndarray, strength: float = 1.0
) -> np.ndarray:
    """Replace only the mouth and chin, through a feathered mask in the lower half of the box.

    Pixels above the box's middle and outside the box stay exactly the source's. The generated
    colours are shifted by their median difference from the source in the fading rim, where both
    show the same skin.

    Args, Returns: as `paste`.
    """
    left, top, right, bottom = (int(v) for v in box)
    middle = (top + bottom + 1) // 2
    if middle >= bottom:  # a box one pixel high has no lower half
        return frame
    # Bicubic keeps 0.7 dB more of a 96 px face than bilinear.
    whole = cv2.resize(face, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC)
    generated = whole[middle - top :].astype(np.float32)
    region = frame[middle:bottom, left:right]
    source = region.astype(np.float32)
    alpha = mouth_mask(bottom - middle, right - left)
    generated += colour_shift(source, generated, alpha)
    mixed = source + strength * alpha * (generated - source)
    # Where the mask is zero the sum is the source itself, so rounding brings it back exactly.
    region[:] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return frame


def colour_shift(source: np.ndarray, generated: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Median of source − generated in the mask's fading rim.

    Measured on three shared clips with generated faces simulated by shrinking the true ones to
    96 px and tinting them: a cast of 8 levels costs 6 dB without the shift and 0.1 dB with it. A
    mean loses up to 2.3 dB where the head moved, the median 0.4 dB at most.

    Args:
        source, generated: float32 (h, w, 3), 0 to 255.
        alpha: float32 (h, w, 1) in [0, 1].

    Returns:
        float32 (3,), one shift per channel; zeros where nothing fades.
    """
    rim = (alpha[..., 0] > 0.05) & (alpha[..., 0] < 0.95)
    if not rim.any():
        return np.zeros(3, np.float32)
    return np.median(source[rim] - generated[rim], axis=0).astype(np.float32)


def coverage(height: int, width: int, quality: Quality) -> np.ndarray:
    """How much of each pixel of a box is generated, float32 (height, width, 1) in [0, 1]."""
    if quality == "fast":
        return np.ones((height, width, 1), np.float32)
    upper = (height + 1) // 2
    mouth = mouth_mask(height - upper, width)
    return np.concatenate([np.zeros((upper, width, 1), np.float32), mouth])


@lru_cache(maxsize=64)  # boxes of a steady face come in a few sizes
def mouth_mask(height: int, width: int) -> np.ndarray:
    """Feathered superellipse filling a rectangle, float32 (height, width, 1), 0 at its rim."""
    y = np.abs(np.linspace(-1, 1, height, dtype=np.float32))[:, None]
    x = np.abs(np.linspace(-1, 1, width, dtype=np.float32))[None]
    radius = (x**ROUNDNESS + y**ROUNDNESS) ** (1 / ROUNDNESS)
    t = np.clip((1 - radius) / FEATHER, 0, 1)
    return (t * t * (3 - 2 * t))[..., None]  # smoothstep: no visible edge at either end
