"""Blinks: a portrait that never blinks looks like a mask."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from preprocess.demo.portrait import LEFT, SCALE, TOP

# How far the lids are closed in the frames of one blink.
BLINK = (0.45, 0.95, 1.0, 0.6, 0.25)

CORNERS = 3.2  # pixels of the photograph that the corners lie below the middle of the lashes


class Eye(NamedTuple):
    """One eye, in pixels of the photograph."""

    x: float
    half_width: float
    brow: float  # y of the lower edge of the brow, which stays where it is
    lash: float  # y of the upper lashes in the middle of the eye
    closed: float  # y that they reach


EYES = (
    Eye(x=202.5, half_width=13.0, brow=91.5, lash=97.0, closed=103.6),
    Eye(x=246.5, half_width=13.0, brow=94.0, lash=99.4, closed=106.2),
)


def blink_curve(n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """How far the lids are closed in each frame, (n_frames,) in [0, 1]."""
    curve = np.zeros(n_frames)
    start = int(rng.integers(8, 50))
    while start + len(BLINK) <= n_frames:
        curve[start : start + len(BLINK)] = BLINK
        start += int(rng.integers(45, 100))
    return curve


def close_lids(canvas: np.ndarray, closed: float) -> list[tuple[tuple[slice, slice], np.ndarray]]:
    """Parts of the canvas with the upper lids pulled down, the lashes at their edge.

    Args:
        canvas: (H, W, C) uint8, laid out as `portrait().image`; it is not changed.
        closed: 0 to 1.

    Returns:
        For each eye: where on the canvas, and what to put there.
    """
    return [_close(canvas, eye, closed) for eye in EYES]


def _close(canvas: np.ndarray, eye: Eye, closed: float) -> tuple[tuple[slice, slice], np.ndarray]:
    top, bottom = int(eye.brow) - 1, int(eye.closed) + 3
    left, right = int(eye.x - eye.half_width) - 1, int(eye.x + eye.half_width) + 2
    region = (
        slice(SCALE * (top - TOP), SCALE * (bottom - TOP)),
        slice(SCALE * (left - LEFT), SCALE * (right - LEFT)),
    )
    source = canvas[region]
    x, y = np.meshgrid(
        (np.arange(source.shape[1], dtype=np.float32) + 0.5) / SCALE - 0.5 + left,
        (np.arange(source.shape[0], dtype=np.float32) + 0.5) / SCALE - 0.5 + top,
    )
    sideways = np.clip(1 - ((x - eye.x) / eye.half_width) ** 2, 0, 1)
    # The lid's edge is an arc, whose ends, the corners of the eye, do not move.
    lash = eye.lash + CORNERS * (1 - sideways)
    edge = lash + (eye.closed - eye.lash) * closed * np.sqrt(sideways)
    stretched = eye.brow + (y - eye.brow) * (lash - eye.brow) / (edge - eye.brow)
    below_edge = np.minimum(lash + y - edge, lash + 1)
    covered = (y > eye.brow) & (y < edge + 1) & (sideways > 0)
    before = np.where(covered, np.where(y < edge, stretched, below_edge), y)
    moved = cv2.remap(
        source,
        ((x - left) * SCALE + 0.5 * (SCALE - 1)).astype(np.float32),
        ((before - top) * SCALE + 0.5 * (SCALE - 1)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return region, moved
