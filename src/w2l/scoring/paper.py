"""The means of a set as a table for a paper: Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from w2l.files import write_text

HEADER = ("", "n", "LSE-D ↓", "LSE-C ↑", "offset", "cosine ↑")
ESCAPES = {"↓": r"$\downarrow$", "↑": r"$\uparrow$", "–": "--", "−": "$-$", "%": r"\%", "_": r"\_",
           "&": r"\&", "#": r"\#"}  # fmt: skip


def write_paper_tables(scores: Mapping[str, Any], output: Path) -> None:
    """Write `<output's stem>.md` and `.tex` beside scores.json, whole or not at all.

    Args:
        scores: the content of scores.json.
        output: its path.
    """
    rows = [
        _row("mean of the faces", scores["n_tracks"], scores["mean"]),
        _row("mean of the videos", scores["n_scored"], scores["mean_of_videos"]),
    ]
    rule = scores.get("settings", {}).get("video_score", "mean")
    by = "the mean of its faces" if rule == "mean" else f"video_score={rule}"
    note = (
        f"Protocol {scores['protocol']}; offset in {scores['offset_unit']}; {scores['n_failed']} "
        f"videos have no score. In the second row each video counts once, by {by}."
    )
    head = [" | ".join(HEADER), "|".join("---" for _ in HEADER), *(" | ".join(r) for r in rows)]
    text = "".join(f"| {line} |\n" for line in head)
    write_text(output.with_suffix(".md"), f"{text}\n{note}\n")
    write_text(output.with_suffix(".tex"), latex(HEADER, rows, [note]))


def _row(name: str, count: int, means: Mapping[str, Any]) -> list[str]:
    values = (means[key] for key in ("lse_d", "lse_c", "offset", "cosine"))
    return [name, str(count), *("–" if each is None else f"{each:.3f}" for each in values)]


def latex(header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """A table with booktabs, its first column text; the notes are comments."""
    lines = [r"% \usepackage{booktabs}", *(f"% {note}" for note in notes)]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule", latex_row(header)]
    lines += [r"\midrule", *map(latex_row, rows), r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def latex_row(cells: Sequence[str]) -> str:
    """Cells with what LaTeX would take for its own escaped."""
    return " & ".join("".join(ESCAPES.get(c, c) for c in cell) for cell in cells) + r" \\"
