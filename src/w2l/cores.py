"""One thread for each core, in place of torch's threads within each layer.

Those wait for one another after every layer. Where decoding and encoding want the cores as well,
that wait is long; threads that each have a part of the batch meet only at its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from threading import Barrier
from typing import ParamSpec, TypeVar

import numpy as np
import torch

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


class Cores:
    """Runs functions at the same time; usable from several threads.

    Args:
        n: threads, each of which computes on one core; with 1 it is the caller's.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        if n == 1:
            return
        self._pool = ThreadPoolExecutor(n, "core", _on_one_core)
        before = torch.get_num_threads()
        started = Barrier(n + 1)
        for _ in range(n):
            self._pool.submit(started.wait)
        started.wait()
        torch.set_num_threads(before)  # was changed for threads to come, too, by each of these

    def submit(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Future[T]:
        """Its result to come; with one core it is there already."""
        if self.n > 1:
            return self._pool.submit(function, *arguments, **named)
        future: Future[T] = Future()
        future.set_result(function(*arguments, **named))
        return future

    def map(self, function: Callable[[S], T], items: Iterable[S]) -> Generator[T]:
        """What `function` gives for each item, in order.

        While it runs on each core, the item after those is drawn, and no more.
        """
        most = self.n if self.n > 1 else 0
        waiting: deque[Future[T]] = deque()
        for item in items:
            waiting.append(self.submit(function, item))
            del item  # or it is held until the next one is there
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """End the threads; what was not begun is not done any more, what was is not waited for."""
        if self.n > 1:
            self._pool.shutdown(wait=False, cancel_futures=True)  # see `w2l.ahead` on waiting

    def __call__(
        self, function: Callable[..., np.ndarray], *columns: Sequence[np.ndarray] | np.ndarray
    ) -> np.ndarray:
        """What `function` gives for the columns' rows, in order.

        Args:
            function: takes some rows of each column, gives an array of as many.
            columns: of equal length.
        """
        rows = len(columns[0])
        n = min(self.n, rows)
        if n <= 1:
            return function(*columns)
        bounds = [rows * i // n for i in range(n + 1)]
        parts = [
            self._pool.submit(function, *(column[a:b] for column in columns))
            for a, b in pairwise(bounds)
        ]
        wait(parts)  # all: after an error the next try must not run beside what is left of this one
        return np.concatenate([part.result() for part in parts])


def _on_one_core() -> None:
    torch.get_num_threads()  # else the first layer overwrites what is set here with the default
    torch.set_num_threads(1)
