"""Means of scores, over what there is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median, stdev
from typing import Any, NamedTuple

# Numbers of a track that say what was scored, not how good it is.
NOT_SCORES = {"start_frame", "n_frames", "n_windows", "implausible", "path", "face"}


class Metric(NamedTuple):
    """How a score is called, and whether less of it is better (None: neither)."""

    title: str
    lower_is_better: bool | None


METRICS: Mapping[str, Metric] = {
    "lse_d": Metric("LSE-D", True),
    "lse_c": Metric("LSE-C", False),
    "cosine": Metric("cosine", False),
    "lse_d_at_0": Metric("LSE-D at 0", True),
    "lse_c_at_0": Metric("LSE-C at 0", False),
    "lse_d_unpadded": Metric("LSE-D unpadded", True),
    "lse_c_unpadded": Metric("LSE-C unpadded", False),
}


def metric(name: str) -> Metric:
    """How a score of this name is shown; one that is not known by its name."""
    return METRICS.get(name, Metric(name.replace("_", " "), None))


def scores_of(track: Mapping[str, Any]) -> dict[str, float]:
    """The scores of one track: its finite numbers, offsets and sizes left out."""
    return {
        name: float(value)
        for name, value in track.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and name not in NOT_SCORES
        and not name.endswith("offset")
        and not name.startswith("offset")
    }


def statistics_of(tracks: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean, standard error, median and count of each score, over the tracks that have it.

    The standard error takes tracks as drawn independently. Pairs of a list share clips, so it is
    a little too small.
    """
    values: dict[str, list[float]] = {}
    for track in tracks:
        for name, value in scores_of(track).items():
            values.setdefault(name, []).append(value)
    order = [*(name for name in METRICS if name in values), *sorted(set(values) - set(METRICS))]
    return {name: _statistics(values[name]) for name in order}


def _statistics(values: Sequence[float]) -> dict[str, Any]:
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return {
        "mean": fmean(values),
        "standard_error": error,
        "median": median(values),
        "count": len(values),
    }
