"""Stages that work at the same time: one thread reads ahead, one writes behind, in order.

Each holds a bounded number of items. An error comes up where its item would have, and a consumer
that stops early leaves no thread behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_END: Any = object()


def ahead(items: Iterable[T], size: int) -> Iterator[T]:
    """The same items, made by a thread of their own, up to `size` before they are asked for."""
    iterator = iter(items)
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = deque(thread.submit(next, iterator, _END) for _ in range(size))
        try:
            while (item := coming.popleft().result()) is not _END:
                coming.append(thread.submit(next, iterator, _END))
                yield item
                del item  # or it is held until the next one is there
        finally:
            for future in coming:
                future.cancel()
            # Files are closed by the thread that read them, for which leaving the pool waits. It
            # must not be waited for here: where this is garbage the thread has ended by now.
            if isinstance(iterator, Generator):
                thread.submit(iterator.close)


def behind(items: Iterable[T], work: Callable[[T], object], size: int) -> Iterator[T]:
    """The same items; meanwhile a thread does `work` on each in order, at most `size` behind.

    When the last item was taken and the iterator asked for another, all work is done.
    """
    waiting: deque[Future[object]] = deque()
    with ThreadPoolExecutor(1, "behind") as thread:
        try:
            for item in items:
                if len(waiting) == size:
                    waiting.popleft().result()
                waiting.append(thread.submit(work, item))
                yield item
                del item
            while waiting:
                waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
