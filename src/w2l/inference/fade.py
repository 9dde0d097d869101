"""Where a face is hardly one to sync, the result goes back to the source, and not abruptly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SOFT_TURN = 5.0  # degrees below the limit over which the result fades
SOFT_SCORE = 0.05  # above the limit, likewise
STEADY = 5  # frames of the median: one frame's odd landmarks do not count
FADE = 9  # frames of the mean: no fade is quicker
REACH = STEADY // 2 + FADE // 2  # frames on either side that have a say

TURNED = "the head is turned too far"
UNSURE = "the face is too uncertain"


def strengths(
    scores: np.ndarray,
    turns: np.ndarray,
    runs: Sequence[tuple[int, int]],
    max_turn: float | None,
    min_score: float | None,
) -> tuple[np.ndarray, dict[int, str]]:
    """How much of the generated face is shown in each frame.

    Args:
        scores: of the detector, (N,) in [0, 1], NaN where not known.
        turns: degrees by which the head is turned sideways, (N,), NaN where not known.
        runs: (start, stop) of stretches that are one face in one shot; nothing reaches across.
        max_turn: degrees from which on nothing is shown; None: no limit.
        min_score: score up to which nothing is shown; None: no limit.

    Returns:
        float32 (N,): 1 all, 0 nothing; and the reason of each frame that has 0.
    """
    shown = np.ones(len(scores), np.float32)
    reasons: dict[int, str] = {}
    for start, stop in runs:
        each = {
            TURNED: _ramp(turns[start:stop], max_turn, -SOFT_TURN),
            UNSURE: _ramp(scores[start:stop], min_score, SOFT_SCORE),
        }
        least = np.minimum(each[TURNED], each[UNSURE])
        shown[start:stop] = _over_windows(least, FADE, np.mean)
        for i in np.flatnonzero(shown[start:stop] == 0):
            reasons[start + int(i)] = min(each, key=lambda reason: each[reason][i])
    return shown, reasons


def _ramp(values: np.ndarray, limit: float | None, width: float) -> np.ndarray:
    """0 at `limit` and beyond, 1 from `limit + width` on; 1 where nothing is known or asked.

    Where the face was out of sight for a while it is taken to have moved evenly.
    """
    known = np.flatnonzero(~np.isnan(values))
    if limit is None or not len(known):
        return np.ones(len(values))
    whole = np.interp(np.arange(len(values)), known, values[known])
    steady = _over_windows(np.abs(whole), STEADY, np.median)
    return np.clip((steady - limit) / width, 0, 1)


def _over_windows(values: np.ndarray, window: int, take: Callable[..., np.ndarray]) -> np.ndarray:
    """`take` of each value's centred window; beyond the ends the end values go on."""
    padded = np.pad(values, window // 2, mode="edge")
    return np.asarray(take(sliding_window_view(padded, window), axis=-1))
