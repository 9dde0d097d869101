"""How well the given video already fits the new sound.

Real clips with their own sound lie at a mean of about 0.52, mismatched ones at 0.15 to 0.25 (with
the published expert): a way to find the person to whom a voice belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np

from w2l.boxes import crop
from w2l.windows import FPS


def faces_at_25_fps(
    frames: Iterable[np.ndarray], box_of: Callable[[int], np.ndarray | None], fps: Fraction
) -> Iterator[np.ndarray | None]:
    """The given faces as the expert knows them, at 25 a second.

    Each 25th of a second shows the frame nearest to it (of two, the later).

    Args:
        frames: source images in order, uint8 (H, W, 3) BGR.
        box_of: the box of a frame by its number; None: it has no face.
        fps: their rate.

    Yields:
        Crops, uint8 (h, w, 3) BGR; None where the frame has no face.
    """
    step = fps / FPS
    due = Fraction(1, 2)  # in frames, half a frame ahead: rounds to the nearest
    for i, frame in enumerate(frames):
        box = box_of(i)
        while int(due) == i:
            yield None if box is None else crop(frame, box)
            due += step
