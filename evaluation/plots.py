"""Plots of the demo's report, as PNG bytes."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from w2l.metrics import offsets

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

Curve = tuple[list[float], list[float]]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def read_curves(run_dir: Path) -> dict[str, Curve]:
    """The logged curves of a training run: name → (updates, values); empty where none are."""
    curves: dict[str, Curve] = defaultdict(lambda: ([], []))
    log = run_dir / "csv" / "metrics.csv"
    if log.is_file():
        with log.open(newline="") as file:
            for row in csv.DictReader(file):
                step = float(row.pop("step"))
                for name, value in row.items():
                    if value:
                        curves[name][0].append(step)
                        curves[name][1].append(float(value))
    return dict(curves)


def plot_curves(runs: Mapping[str, Path], names: Sequence[str]) -> bytes:
    """One panel per run with those of its curves that are in `names`."""
    figure, axes = plt.subplots(1, len(runs), figsize=(4.5 * len(runs), 3.2), squeeze=False)
    for ax, (title, run_dir) in zip(axes[0], runs.items(), strict=True):
        curves = read_curves(run_dir)
        for name in names:
            if name in curves:
                ax.plot(*curves[name], label=name, marker="." if name.startswith("val") else None)
        ax.set_title(title)
        ax.set_xlabel("update")
        if ax.lines:
            ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    return _png(figure)


def plot_offsets(curves: Mapping[str, np.ndarray], inches: tuple[float, float] = (6, 3.4)) -> bytes:
    """Draw mean cosine over offset, one line per entry (31,)."""
    figure, ax = plt.subplots(figsize=inches)
    for label, curve in curves.items():
        ax.plot(offsets(), curve, label=label)
    ax.axvline(0, color="grey", lw=0.8)
    ax.set_xlabel("offset, frames (positive: audio early)")
    ax.set_ylabel("cosine similarity (judge)")
    ax.legend(fontsize=8)
    ax.grid(alpha=0.3)
    return _png(figure)
