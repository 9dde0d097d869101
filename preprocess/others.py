"""People who are seen while the one of a clip is not: clips of their own.

A clip holds one face. Where another comes before or after it in the same scene, that stretch is
prepared once more, as a clip with its own times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from preprocess.records import Records
from w2l.boxes import runs
from w2l.components import Clip
from w2l.windows import FPS


def stretches_of_others(
    present: Sequence[np.ndarray], chosen: int, min_frames: int
) -> list[tuple[int, int]]:
    """Where the chosen person cannot be seen, and another can.

    Args:
        present: of each person, (N,) bool, the frames in which they are seen; where several are
            seen, the earlier in this order gets the stretch.
        chosen: whose face is kept.
        min_frames: so many frames in a row there are in a stretch with its person.

    Returns:
        The first frame of each, and the one after its last; in order, no two overlap.
    """
    found = []
    free = ~present[chosen]
    for there in present:
        for start, stop in runs(free & _from_first_to_last(there)):
            inside = there[start:stop]
            if max((b - a for a, b in runs(inside)), default=0) >= min_frames:
                seen = start + np.flatnonzero(inside)
                found.append((int(seen[0]), int(seen[-1]) + 1))
                free[seen[0] : seen[-1] + 1] = False
    return sorted(found)


def _from_first_to_last(there: np.ndarray) -> np.ndarray:
    """The same without gaps."""
    before, behind = np.logical_or.accumulate(there), np.logical_or.accumulate(there[::-1])[::-1]
    return before & behind


def clips_of_others(clip: Clip, records: Records) -> list[Clip]:
    """The clips of those who are seen in a prepared or rejected clip, and not kept in it."""
    record = records.finished(clip) or records.rejected(clip) or {}
    return [
        replace(
            clip,
            name=f"{clip.name}_other{number}",
            start_s=round(clip.start_s + first / FPS, 6),
            end_s=round(clip.start_s + stop / FPS, 6),
        )
        for number, (first, stop) in enumerate(record.get("others", []), 1)
    ]


def with_others(clips: Iterable[Clip], records: Records) -> list[Clip]:
    """Each clip, and behind it those of others in it, as far as they are known."""
    return [each for clip in clips for each in (clip, *clips_of_others(clip, records))]
