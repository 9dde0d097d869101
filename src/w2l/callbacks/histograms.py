"""A image of two distributions that should lie apart."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure


def histogram_picture(
    in_sync: np.ndarray, off_sync: np.ndarray, threshold: float, title: str
) -> bytes:
    """PNG of the similarities of windows that belong together and of others.

    Args:
        in_sync, off_sync: cosines, (n,) and (m,).
        threshold: drawn as a line.
        title: of the image.
    """
    figure = Figure(figsize=(6, 3), dpi=100)
    axes = figure.subplots()
    low = min(float(in_sync.min()), float(off_sync.min()), 0.0)
    bins = np.linspace(low, 1, 60).tolist()
    for values, label in ((off_sync, "≥ 5 frames apart"), (in_sync, "in sync")):
        axes.hist(values, bins, density=True, alpha=0.6, label=f"{label} ({len(values)})")
    axes.axvline(threshold, color="black", linewidth=1, label="threshold")
    axes.set(title=title, xlabel="cosine of lips and speech", yticks=[])
    axes.legend()
    figure.tight_layout()
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
