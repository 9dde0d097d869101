"""Tracks by number, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from w2l.errors import UserError
from w2l.faces.track import Track

# How well each track answers, higher is better; None: this one is not the person.
Chooser = Callable[[Sequence[Track]], list[float | None]]

LISTED = 12  # tracks that an error names; person=tracks names all


def by_number(tracks: Sequence[Track], numbers: Sequence[int], fps: Fraction) -> list[float | None]:
    """The tracks of these numbers, counted from 1 in the order given (see `lasting`).

    Raises:
        UserError: there is no such track; the first ones are named.
    """
    missing = [number for number in numbers if not 1 <= number <= len(tracks)]
    if missing:
        lines = describe(tracks, fps)
        more = [f"  … and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
        raise UserError(
            f"person=track:{'+'.join(map(str, numbers))} names a track that is not there, "
            f"number {missing[0]}; person=tracks shows those that are:\n"
            + "\n".join([f"  {line}" for line in lines[:LISTED]] + more)
        )
    return [1.0 if i in numbers else None for i in range(1, len(tracks) + 1)]


def describe(tracks: Sequence[Track], fps: Fraction) -> list[str]:
    """A line for each track: number, times, mean position of the box."""
    lines = []
    for number, track in enumerate(tracks, 1):
        left, top, right, bottom = np.rint(track.boxes.mean(axis=0)).astype(int)
        start, stop = (float(frame / fps) for frame in (track.frames[0], track.frames[-1] + 1))
        lines.append(
            f"track {number}: {start:.2f} to {stop:.2f} s, {len(track.frames)} frames, "
            f"mean box [{top},{bottom},{left},{right}]"
        )
    return lines
