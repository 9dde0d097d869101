"""Several methods as the rows of one table, on the videos that all of them score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from evaluation.report.compare import METHODS, Bootstrap, doubts, interval, pair_names
from evaluation.report.score_files import ScoreFile
from w2l.scoring.paper import Row, cell, shown_columns, text_cells
from w2l.scoring.paper import doubts as paper_notes


def paper_rows(
    files: Sequence[ScoreFile], bootstrap: Bootstrap, groups: Mapping[str, str]
) -> tuple[list[Row], list[str]]:
    """A row per file and group, and the sentences that belong under the table.

    Args:
        files: of one protocol; the first one's names and groups count.
        bootstrap: which numbers are in bold.
        groups: name of a clip of the first file → its group.
    """
    first = files[0]
    names: list[Mapping[str, str]] = [{name: name for name in first.videos}]
    names += [dict(pair_names(first, other)) for other in files[1:]]
    shared = [name for name in first.videos if all(name in each for each in names)]
    barred = tuple({start for other in files[1:] for start in doubts(first, other)[0]})
    rows = []
    parts = list(dict.fromkeys(groups.get(name, "") for name in shared))
    for group in ("", *(part for part in parts if part and len(parts) > 1)):
        inside = [name for name in shared if not group or groups.get(name) == group]
        block = [
            Row(
                file.label,
                [_kept(file.videos[each[name]], barred) for name in inside],
                group,
                file.n_failed if not group else 0,
                _kept(file.of_set, barred) if not group else {},
            )
            for file, each in zip(files, names, strict=True)
        ]
        rows += marked(block, bootstrap)
    left_out = {file.label: len(file.videos) - len(shared) for file in files}
    said = ", ".join(f"{n} of {label}" for label, n in left_out.items() if n)
    notes = [
        f"Protocol {first.protocol}; mean ± standard error over the {len(shared)} videos that all "
        f"methods score{f' (left out: {said})' if said else ''}, faces within a video first; "
        "offsets in frames of 1/25 s, their size whatever the sign.",
        "Bold: the best mean of its group, and those that a paired bootstrap over the videos does "
        f"not tell from it ({METHODS[bootstrap.method]}, {100 * bootstrap.confidence:g} %, "
        f"{bootstrap.resamples} resamples, seed {bootstrap.seed}; not corrected for the number of "
        "comparisons).",
    ]
    known = {role: {"sha256": found} for role, found in first.weights.items() if found}
    shared_weights = {
        role: entry
        for role, entry in known.items()
        if all(file.weights.get(role) == entry["sha256"] for file in files)
    }
    return rows, [*notes, *paper_notes(shared_weights, rows)]


def _kept(values: Mapping[str, float], barred: tuple[str, ...]) -> dict[str, float]:
    return {key: value for key, value in values.items() if not (barred and key.startswith(barred))}


def marked(block: Sequence[Row], bootstrap: Bootstrap) -> list[Row]:
    """The rows of one group, with what is in bold: of one row, or one video, nothing."""
    best: list[set[str]] = [set() for _ in block]
    for column in shown_columns(block):
        found = [cell(row, column.key) for row in block]
        have = [i for i, each in enumerate(found) if each is not None and each.error is not None]
        if len(have) < 2 or column.lower_is_better is None:
            continue
        sign = 1 if column.lower_is_better else -1
        top = min(have, key=lambda i: sign * found[i].mean)  # type: ignore[union-attr]
        for i in have:
            if i == top or not _is_worse(block[i], block[top], column.key, bootstrap):
                best[i].add(column.key)
    return [replace(row, best=frozenset(keys)) for row, keys in zip(block, best, strict=True)]


def _is_worse(row: Row, top: Row, key: str, bootstrap: Bootstrap) -> bool:
    """Whether the interval of the paired difference leaves out 0."""
    both = [
        (a[key], b[key])
        for a, b in zip(row.videos, top.videos, strict=True)
        if {key} <= {*a} & {*b}
    ]
    if len(both) < 2:
        return False
    left, right = np.array(both).T
    found = interval(left - right, bootstrap)
    return found is not None and not found[0] <= 0 <= found[1]


def terminal(rows: Sequence[Row]) -> Table:
    """The table for the terminal."""
    columns = shown_columns(rows)
    has_groups = any(row.group for row in rows)
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column("method", overflow="fold")
    if has_groups:
        shown.add_column("group", overflow="fold")
    shown.add_column("videos", justify="right")
    for column in columns:
        shown.add_column(
            column.title + (f"\n({column.also})" if column.also else ""), justify="right"
        )
    for row in rows:
        texts = [
            f"[bold]{text}[/bold]" if column.key in row.best else text
            for column, text in zip(columns, text_cells(row, columns), strict=True)
        ]
        group = [row.group or "all"] if has_groups else []
        shown.add_row(row.name, *group, str(len(row.videos)), *texts)
    return shown
