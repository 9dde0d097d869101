"""Shards are fetched before the workers ask for them."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from w2l.data.rejections import BadClipError
from w2l.errors import UserError

AHEAD = 2  # shards fetched beyond those in use


def first_uses(shards: np.ndarray) -> tuple[list[int], list[int]]:
    """Where each shard first occurs in the order of samples, and which one it is, by position."""
    which, positions = np.unique(shards, return_index=True)
    order = np.argsort(positions)
    return positions[order].tolist(), which[order].tolist()


class Prefetch:
    """A thread that fetches shards in the order of their first use, `AHEAD` of the training.

    What cannot be fetched is left to the worker that needs it, which reports it.

    Args:
        fetch: brings a shard to this machine.
        positions: at which sample each shard is first used, ascending.
        shards: which one, likewise.
    """

    def __init__(
        self, fetch: Callable[[int], object], positions: Sequence[int], shards: Sequence[int]
    ) -> None:
        self._fetch, self._positions, self._shards = fetch, positions, shards
        self._in_use, self._stopped = 1, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def start(self) -> None:
        """Begin with the first shards."""
        self._thread.start()

    def advance(self, position: int) -> None:
        """So many samples have been taken."""
        with self._changed:
            self._in_use = bisect_right(self._positions, position)
            self._changed.notify()

    def stop(self) -> None:
        """Fetch no further shard; one that is under way comes to its end."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        for nth, shard in enumerate(self._shards):
            with self._changed:
                while not self._stopped and nth >= self._in_use + AHEAD:
                    self._changed.wait()
                if self._stopped:
                    return
            with suppress(BadClipError, UserError):
                self._fetch(shard)
