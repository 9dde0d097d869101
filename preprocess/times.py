"""Where the time goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Times(Counter[str]):
    """Seconds of each step; those of several clips add up."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what happens within as `name`'s, also where it ends by an error."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self[name] += time.perf_counter() - start  # type: ignore[assignment]

    def __str__(self) -> str:
        """`faces 61 %, crops 20 %, …`, the longest first."""
        whole = sum(self.values()) or 1
        return ", ".join(f"{name} {100 * s / whole:.0f} %" for name, s in self.most_common())
