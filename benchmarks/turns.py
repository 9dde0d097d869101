"""Measuring several ways of one thing in turn, so that a busy moment of the machine meets all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def seconds_in_turn(ways: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Median wall seconds of each way; each runs once before, unmeasured."""
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}
