"""Measuring several ways of one thing in turn, so that a busy moment of the machine meets all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def times_in_turn(ways: Mapping[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Wall seconds of each turn of each way; each runs once before, unmeasured."""
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - start)
    return taken


def seconds_in_turn(ways: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Median wall seconds of each way."""
    return {name: statistics.median(each) for name, each in times_in_turn(ways, turns).items()}


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Median, least and most."""
    named = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits) for name, value in named.items()}


def row(
    work: str,
    unit: str,
    rates: Mapping[str, Sequence[float]],
    share: float | None = None,
    memory_gb: float | None = None,
    told: str = "",
) -> dict[str, Any]:
    """A row of the table in docs/performance.md.

    Args:
        work, unit: what is done, and how it is counted.
        rates: of each turn, by way: "published", "same" (ours like for like), "ours" (as w2l does
            by default). Higher is better.
        share: that "ours" has of what the machine could do at most.
        memory_gb: at most, of the process that does "ours".
        told: what differs between "same" and "ours".
    """
    return {
        "work": work, "unit": unit, **{name: spread(each) for name, each in rates.items()},
        "share_of_limit": None if share is None else round(share, 3),
        "memory_gb": None if memory_gb is None else round(memory_gb, 2), "ours_is": told,
    }  # fmt: skip
