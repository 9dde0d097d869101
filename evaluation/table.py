"""The table of the demo's report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple


class Row(NamedTuple):
    """One number of the report, beside the number to expect."""

    name: str
    value: float
    expected: float | None = None
    l1_only: float | None = None
    meaning: str = ""


def table(rows: Sequence[Row]) -> str:
    """The numbers, marked where they fall short of what is expected."""
    lines = [
        "<table><tr><th>number</th><th>this run</th><th>expect at least</th>"
        "<th>L1-only generator</th><th>meaning</th></tr>"
    ]
    for row in rows:
        low = row.expected is not None and row.value < row.expected
        mark = "" if row.expected is None else ' class="low"' if low else ' class="ok"'
        expected, l1 = (
            "" if v is None else f"{v:.3f}".rstrip("0").rstrip(".")
            for v in (row.expected, row.l1_only)
        )
        lines.append(
            f'<tr><td>{escape(row.name)}</td><td class="number"><span{mark}>{row.value:.3f}</span>'
            f'</td><td class="number">{expected}</td><td class="number">{l1}</td>'
            f"<td>{escape(row.meaning)}</td></tr>"
        )
    return "\n".join([*lines, "</table>"])
