"""How well an expert knows each speaker of a set, from the similarities of their clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from w2l.metrics.separation import balanced_accuracy, offset_of, pair_accuracy, pooled


def by_speaker(
    matrices: Sequence[tuple[str, np.ndarray]], threshold: float | None = None
) -> list[dict[str, Any]]:
    """One row per speaker: clips, windows, pair accuracy, mean cosines, offset.

    Args:
        matrices: the speaker and the similarities (N, N) of each clip.
        threshold: for the balanced accuracy; None: without it.
    """
    groups = defaultdict(list)
    for speaker, matrix in matrices:
        groups[speaker].append(matrix)
    rows = []
    for speaker, found in sorted(groups.items()):
        own, others = pooled(found)
        offsets = [offset_of(matrix) for matrix in found]
        balanced = (
            {} if threshold is None else {"balanced_accuracy": balanced_accuracy(found, threshold)}
        )
        rows.append(
            {
                "speaker": speaker,
                "clips": len(found),
                "windows": len(own),
                "pair_accuracy": pair_accuracy(found),
                **balanced,
                "offset_within_1": float(np.mean(np.abs(offsets) <= 1)),
                "cosine_in_sync": float(own.mean()),
                "cosine_off_sync": float(others.mean()),
                "offset": float(np.median(offsets)),
            }
        )
    return rows
