"""`compare=[a.json,b.json]`: a table for a paper in Markdown and LaTeX, a plot, and JSON."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from evaluation.keys import Evaluation
from evaluation.report.compare import (
    METHODS,
    Bootstrap,
    Comparison,
    Difference,
    compare_scores,
    to_json,
)
from evaluation.report.paper_table import paper_rows
from evaluation.report.paper_table import terminal as paper_terminal
from evaluation.report.score_files import read_scores
from evaluation.report.statistics import metric
from evaluation.report.tables import NONE, Grid, arrowed, markdown, terminal
from w2l.errors import UserError
from w2l.files import atomic_path, unused, write_text
from w2l.paths import user_path
from w2l.scoring import paper
from w2l.scoring.groups import groups_of

PANELS = 3  # scores in the plot


def compare(settings: Evaluation, console: Console) -> list[Comparison]:
    """Compare the first file with each other one; write compare.json, .md, .tex and .png.

    And all of them as one table for a paper: table.md, table.tex and table_means.csv.

    Returns:
        One for each file after the first, whose plots are compare.png, compare_2.png, ….

    Raises:
        UserError: a file or value is wrong, or the files are not comparable.
    """
    files = settings.compare
    if not isinstance(files, list) or len(files) < 2:
        raise UserError(f"compare={files} must name two files or more: compare=[a.json,b.json].")
    bootstrap = _bootstrap(settings)
    names = [None for _ in files] if settings.names is None else settings.names
    if len(names) != len(files):
        raise UserError(
            f"names={settings.names} must name each of the {len(files)} files: names=[a,b]."
        )
    read = [
        read_scores(user_path(file), None if name is None else str(name))
        for file, name in zip(files, names, strict=True)
    ]
    first, *others = read
    comparisons = [compare_scores(first, other, bootstrap) for other in others]
    given = settings.out
    out = unused(Path("outputs"), "compare") if given is None else user_path(given)
    grids = [to_grid(each, bootstrap) for each in comparisons]
    found = [to_json(each, bootstrap) for each in comparisons]
    content = found[0] if len(found) == 1 else {"comparisons": found}
    texts = {
        "compare.json": json.dumps(content, indent=1, allow_nan=False) + "\n",
        "compare.md": "\n".join(map(markdown, grids)),
        "compare.tex": "\n".join(map(latex, grids)),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    given_groups = settings.group
    groups = first.groups if given_groups is None else groups_of(given_groups, list(first.videos))
    rows, notes = paper_rows(read, bootstrap, groups)
    paper.write_rows(rows, notes, out / "table")
    if len(files) > 2 or groups:  # of two files the paired table says it all
        console.print(paper_terminal(rows))
    for number, (each, grid) in enumerate(zip(comparisons, grids, strict=True), 1):
        plot(each, out / ("compare.png" if number == 1 else f"compare_{number}.png"))
        console.print(terminal(grid))
        for note in grid.notes:
            console.print(note, markup=False, soft_wrap=True)
    console.print(f"{out}/compare.md, .tex, .png, .json", markup=False, soft_wrap=True)
    console.print(f"{out}/table.md, .tex, _means.csv", markup=False, soft_wrap=True)
    return comparisons


def _bootstrap(settings: Evaluation) -> Bootstrap:
    return Bootstrap(
        settings.resamples, settings.interval, float(settings.confidence), settings.seed
    )


def to_grid(comparison: Comparison, bootstrap: Bootstrap) -> Grid:
    """The table: a line per score."""
    a, b = comparison.a, comparison.b
    labels = {"a": a.label, "b": b.label}
    if a.label == b.label:
        labels = {"a": f"{a.label} (a)", "b": f"{b.label} (b)"}
    percent = f"{100 * bootstrap.confidence:g} %"
    header = ["", labels["a"], labels["b"], f"difference [{percent}]", "clips", "better"]
    rows = [
        [
            arrowed(each.name),
            f"{each.a.mean():.3f}",
            f"{each.b.mean():.3f}",
            _difference(each),
            str(len(each.a)),
            labels[each.better] if each.better else "undecided",
        ]
        for each in comparison.differences
    ]
    notes = [
        f"Protocol {a.protocol}. {comparison.n_pairs} clips are scored in both files, "
        f"{comparison.only_a} in {labels['a']} only, {comparison.only_b} in {labels['b']} only; "
        f"{a.n_failed} and {b.n_failed} have no score. Differences are {labels['b']} minus "
        f"{labels['a']}, clip by clip; their intervals are {METHODS[bootstrap.method]} bootstrap "
        f"intervals of the mean ({bootstrap.resamples} resamples of clips, seed {bootstrap.seed}).",
        *comparison.notes,
    ]
    return Grid("Paired comparison", header, rows, notes)


def _difference(each: Difference) -> str:
    if each.interval is None:
        return f"{each.mean:+.3f} [{NONE}]"
    return f"{each.mean:+.3f} [{each.interval[0]:+.3f}, {each.interval[1]:+.3f}]"


def latex(grid: Grid) -> str:
    """A table for a paper; the notes are comments."""
    return paper.latex(grid.header, grid.rows, grid.notes)


def plot(comparison: Comparison, output: Path) -> None:
    """For each of the first scores: the clips, one file against the other, and the differences."""
    shown = comparison.differences[:PANELS]
    figure = Figure(figsize=(4.2 * len(shown), 6.4), layout="constrained")
    axes = figure.subplots(2, len(shown), squeeze=False)
    for column, each in enumerate(shown):
        _scatter(axes[0][column], each, comparison)
        _histogram(axes[1][column], each)
    with atomic_path(output) as temporary:
        figure.savefig(temporary, dpi=130)


def _scatter(axes: Axes, each: Difference, comparison: Comparison) -> None:
    low, high = min(each.a.min(), each.b.min()), max(each.a.max(), each.b.max())
    axes.plot([low, high], [low, high], color="0.6", linewidth=0.8, zorder=0)
    axes.scatter(each.a, each.b, s=10, alpha=0.6, linewidths=0)
    axes.set_title(arrowed(each.name), fontsize="medium")
    axes.set_xlabel(f"{comparison.a.label} (a)", parse_math=False)
    axes.set_ylabel(f"{comparison.b.label} (b)", parse_math=False)
    axes.set_aspect("equal", adjustable="datalim")


def _histogram(axes: Axes, each: Difference) -> None:
    axes.hist(each.b - each.a, bins="auto", color="0.75")
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.axvline(each.mean, color="C0", label=f"mean {each.mean:+.3f}")
    if each.interval is not None:
        axes.axvspan(*each.interval, color="C0", alpha=0.25, label="interval of the mean")
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"difference b − a, {metric(each.name).title}")
    axes.set_ylabel("clips")
    axes.legend(fontsize="small", frameon=False)
