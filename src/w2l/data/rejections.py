"""Why a clip gives no sample, and how often: seen by the main process while workers count."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

MISSING = "missing clip"
TOO_SHORT = "too few frames"
NO_WINDOW = "no window with sound"
NO_SOUND = "no readable sound"
BAD_FRAME = "broken frame"
BAD_SHARD = "broken shard"
UNREACHABLE = "unreachable shard"
OTHER = "other"
REASONS = (MISSING, TOO_SHORT, NO_WINDOW, NO_SOUND, BAD_FRAME, BAD_SHARD, UNREACHABLE, OTHER)

MAX_WORKERS = 256  # of one loader; further ones share the last row, where a count may get lost
MIN_REJECTED = 100  # so many failures may come by chance before their share counts
WORST = 5  # clips named in the sentence that ends a run


class BadClipError(Exception):
    """A clip that cannot give a sample.

    Args:
        reason: one of `REASONS`, to count by.
        detail: what exactly is wrong, for whoever looks at this clip.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)  # both, so that it can be pickled
        self.reason, self.detail = reason, detail


class Rejections:
    """Draws that failed, by reason, over all workers of a loader.

    A worker writes into a row of its own of a table in shared memory: no locks, nothing lost, and
    the main process reads it at any time.
    """

    def __init__(self) -> None:
        shape = (MAX_WORKERS + 1, 1 + len(REASONS))  # row 0: the main process; column 0: good draws
        self._shared = torch.zeros(shape, dtype=torch.int64).share_memory_()
        self._clips: Counter[tuple[str, str]] = Counter()  # this process's own
        self._details: dict[tuple[str, str], str] = {}  # the first of each

    @cached_property
    def _table(self) -> np.ndarray:
        return self._shared.numpy()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_table"}

    def count_good(self) -> None:
        """One more draw gave a sample."""
        self._table[_row(), 0] += 1

    def count(self, clip: str, error: BadClipError) -> None:
        """One more draw from `clip` gave none."""
        reason = error.reason if error.reason in REASONS else OTHER
        self._table[_row(), 1 + REASONS.index(reason)] += 1
        self._clips[clip, error.reason] += 1
        self._details.setdefault((clip, error.reason), error.detail)

    @property
    def good(self) -> int:
        """Draws that gave a sample."""
        return int(self._table[:, 0].sum())

    @property
    def by_reason(self) -> dict[str, int]:
        """Every reason with its count, zeros included."""
        return dict(zip(REASONS, self._table[:, 1:].sum(axis=0).tolist(), strict=True))

    @property
    def total(self) -> int:
        """Draws that gave no sample."""
        return int(self._table[:, 1:].sum())

    @property
    def too_many(self) -> bool:
        """More than half of all draws failed, and not just the first few."""
        return self.total > max(MIN_REJECTED, self.good)

    def sentence(self) -> str:
        """What ends a run: the counts, and this process's worst clips with their reasons."""
        counts = sorted(self.by_reason.items(), key=lambda item: -item[1])
        reasons = ", ".join(f"{reason}: {n}" for reason, n in counts if n)
        worst = ", ".join(
            f"{clip} ({n}×, {' '.join(self._details[clip, reason].split()) or reason})"
            for (clip, reason), n in self._clips.most_common(WORST)
        )
        return (
            f"Too many clips give no sample ({reasons}), worst of all {worst}: preprocess them "
            "again, or take them out of the split lists."
        )


def _row() -> int:
    worker = get_worker_info()
    return 0 if worker is None else min(worker.id + 1, MAX_WORKERS)
