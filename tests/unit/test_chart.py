"""Curves as SVG."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from w2l.chart import HEIGHT, MOST_POINTS, WIDTH, Series, line_chart, thinned, ticks


def test_points_are_where_their_numbers_say() -> None:
    svg = line_chart([Series("val", [(0, 1.0), (50, math.nan), (100, 3.0)], True)], chance=2.0)
    root = ET.fromstring(svg)
    (line,) = root.iter("polyline")
    (x0, y0), (x1, y1) = (map(float, p.split(",")) for p in line.attrib["points"].split())
    assert x0 < x1 <= WIDTH
    assert 0 <= y1 < y0 <= HEIGHT, "3 is above 1"
    chance = next(each for each in root.iter("line") if each.attrib["class"] == "chance")
    assert float(chance.attrib["y1"]) == pytest.approx((y0 + y1) / 2, abs=0.1)
    assert [each.text for each in root.iter("title")] == ["val: 1 at 0", "val: 3 at 100"]


def test_nothing_is_drawn_of_nothing() -> None:
    assert line_chart([Series("train", [(1, math.nan)])]) == ""


def test_a_single_point_and_a_flat_line_have_a_range() -> None:
    for points in ([(5, 0.0)], [(0, 2.0), (9, 2.0)]):
        assert "nan" not in line_chart([Series("val", points, True)])


def test_long_lines_are_means_and_keep_what_sticks_out_off_the_scale() -> None:
    points = [(float(i), 1.0 + (i % 2) / 10) for i in range(1000)]
    few = thinned(points)
    assert len(few) == MOST_POINTS
    assert all(y == pytest.approx(1.04, abs=0.021) for _, y in few)
    spike = [(0.0, 1e6), *((float(i), 1.0 + i / 100) for i in range(1, 120))]
    svg = line_chart([Series("train", spike)])
    assert max(float(t) for t in re.findall(r'text-anchor="end">([\d.]+)<', svg)) < 10


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 4000, [0, 1000, 2000, 3000, 4000]),
     (-0.3, 0.3, [-0.2, 0, 0.2])],
)  # fmt: skip
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 5) == pytest.approx(expected)
