"""Curves as SVG inside a page: no image file, no script, sharp at any width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from w2l.html import render

WIDTH, HEIGHT = 420, 230  # units of the view box; a page scales it
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 34  # around the plot
MOST_POINTS = 200  # of a line
COLOURS = 8  # in templates/page.css


class Series(NamedTuple):
    """One line of a chart.

    Attributes:
        name: in the legend.
        points: (x, y) in the order of x; NaN and infinite ones are left out.
        dotted: each point is drawn, and tells its numbers to a mouse.
    """

    name: str
    points: Sequence[tuple[float, float]]
    dotted: bool = False


def line_chart(
    series: Iterable[Series],
    *,
    chance: float | None = None,
    best: tuple[float, float] | None = None,
    x_name: str = "updates",
) -> str:
    """SVG of the lines; "" where there is no point.

    Args:
        series: the lines.
        chance: what guessing gives, a dashed line.
        best: a point with a ring.
        x_name: what runs to the right.
    """
    lines = [each._replace(points=thinned(each.points)) for each in series]
    lines = [each for each in lines if each.points]
    if not lines:
        return ""
    low, high = _range(lines, chance)
    last = max(x for line in lines for x, _ in line.points)
    first = min(x for line in lines for x, _ in line.points)
    first, last = (min(first, 0.0), last) if last > 0 else (first, first + 1)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = LEFT + (point[0] - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        inside = min(max(point[1], low), high)
        y = TOP + (high - inside) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    drawn = [
        {
            "name": line.name,
            "colour": i % COLOURS,
            "path": " ".join(f"{x},{y}" for x, y in map(place, line.points)),
            "dots": [(*place(p), f"{line.name}: {p[1]:.4g} at {p[0]:g}") for p in line.points]
            if line.dotted
            else [],
        }
        for i, line in enumerate(lines)
    ]
    return render(
        "chart.svg",
        width=WIDTH, height=HEIGHT, left=LEFT, right=WIDTH - RIGHT, top=TOP,
        bottom=HEIGHT - BOTTOM, lines=drawn, x_name=x_name,
        chance=None if chance is None else place((first, chance))[1],
        best=None if best is None else place(best),
        x_ticks=[(place((x, low))[0], _short(x)) for x in ticks(first, last, 5)],
        y_ticks=[(place((first, y))[1], _short(y)) for y in ticks(low, high, 5)],
    )  # fmt: skip


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MOST_POINTS` finite points: means of neighbours where there are more."""
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    if len(finite) <= MOST_POINTS:
        return finite
    parts = np.array_split(np.array(finite), MOST_POINTS)
    return [(float(x), float(y)) for x, y in (part.mean(axis=0) for part in parts)]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two, `most` or a few less."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _range(lines: Sequence[Series], chance: float | None) -> tuple[float, float]:
    """Lowest and highest value shown: of long lines without the few that stick out."""
    shown: list[float] = [] if chance is None else [chance]
    for line in lines:
        values = [y for _, y in line.points]
        long = len(values) > 20 and not line.dotted
        shown += list(np.percentile(values, [1, 99])) if long else values
    low, high = float(min(shown)), float(max(shown))
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _short(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:.10g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.0e}"
