"""Eight looks of the one portrait, so that there are several speakers."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from preprocess.demo.mouth import Lips
from preprocess.demo.portrait import portrait

Colour = tuple[int, int, int]  # BGR


class Shape(NamedTuple):
    """How a face differs from the photograph's; all zero is the photograph."""

    face: float  # wider (> 0) or narrower, share
    jaw: float  # likewise
    eyes: float  # further apart (> 0) or closer, share
    nose: float  # longer (> 0) or shorter, pixels of the photograph
    chin: float  # likewise
    hair: float  # more of it (> 0) or less, share


class Speaker(NamedTuple):
    """What one speaker looks like."""

    flip: bool
    size: float  # pixels of the frame to a pixel of the photograph
    roll: float  # degrees
    hair: Colour | None  # None: the photograph's
    clothes: int  # turn of the hue, degrees
    light: tuple[float, float, float]  # gains of blue, green, red
    gamma: float
    blur: float  # pixels of the frame
    shape: Shape
    lips: Lips


SPEAKERS = {
    "s1": Speaker(
        False, 1.20, 0, None, 0, (1.0, 1.0, 1.0), 1.0, 0.0,
        Shape(0.0, 0.0, 0.0, 0, 0, 0.0), Lips(11.0, 0.95, 0.5),
    ),
    "s2": Speaker(
        True, 1.28, 3, (38, 48, 62), 200, (0.86, 0.94, 1.02), 1.12, 0.4,
        Shape(0.05, 0.10, 0.05, 2, 4, -0.10), Lips(10.0, 0.86, 2.5),
    ),
    "s3": Speaker(
        False, 1.12, -4, (52, 72, 118), 110, (0.99, 0.97, 1.0), 0.92, 0.3,
        Shape(-0.06, -0.09, -0.06, -2, -2, 0.06), Lips(10.0, 0.88, 1.5),
    ),
    "s4": Speaker(
        True, 1.17, -2, (138, 136, 134), 250, (1.04, 1.0, 0.97), 1.0, 0.6,
        Shape(0.04, 0.05, -0.05, 3, 3, -0.05), Lips(9.5, 0.90, 3.0),
    ),
    "s5": Speaker(
        False, 1.27, 4, (104, 140, 164), 60, (0.92, 0.98, 1.05), 0.88, 0.0,
        Shape(-0.03, -0.05, 0.07, -3, -3, 0.08), Lips(11.0, 0.82, 2.0),
    ),
    "s6": Speaker(
        True, 1.23, 1, (26, 24, 24), 320, (0.90, 0.95, 1.0), 1.22, 0.5,
        Shape(0.07, 0.02, 0.0, 0, 2, -0.08), Lips(10.5, 0.92, 1.0),
    ),
    "n1": Speaker(
        True, 1.14, -3, (40, 58, 86), 150, (0.95, 0.97, 1.04), 1.05, 0.2,
        Shape(-0.05, 0.07, 0.03, 2, -3, 0.03), Lips(10.0, 0.88, 2.0),
    ),
    "n2": Speaker(
        False, 1.26, 2, (70, 96, 120), 290, (1.02, 0.98, 0.97), 0.96, 0.5,
        Shape(0.03, -0.07, -0.04, -2, 4, -0.04), Lips(10.5, 0.90, 1.5),
    ),
}  # fmt: skip


def painted(speaker: Speaker) -> np.ndarray:
    """The portrait in the speaker's colours: (H, W, 4) uint8, BGR times alpha, and alpha."""
    source = portrait()
    image = source.image.astype(np.float32) / 255
    if speaker.hair is not None:
        image = _mixed(image, _dyed(image, source.hair, speaker.hair), source.hair)
    if speaker.clothes:
        image = _mixed(image, _turned(image, speaker.clothes), source.clothes)
    image = np.clip(image * np.array(speaker.light), 0, 1) ** speaker.gamma
    image = image * source.person[..., None]
    return (np.dstack([image, source.person]) * 255).round().astype(np.uint8)


def _mixed(below: np.ndarray, above: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (below + (above - below) * mask[..., None]).astype(np.float32)


def _dyed(image: np.ndarray, hair: np.ndarray, colour: Colour) -> np.ndarray:
    """The colour with the hair's own light and shade."""
    grey = image.mean(axis=2, keepdims=True)
    shade = grey / np.average(grey[..., 0], weights=hair)
    return np.clip(np.array(colour) / 255 * shade, 0, 1)


def _turned(image: np.ndarray, degrees: int) -> np.ndarray:
    """The image with all hues turned."""
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    # Blues and greens as strong as the suit's orange do not look like cloth.
    turned = cv2.merge([(hue + degrees) % 360, 0.7 * saturation, value])
    return cv2.cvtColor(turned, cv2.COLOR_HSV2BGR)
