"""Batches that shrink until they fit into memory, and a heap that keeps little of what is freed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ctypes import CDLL
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np

from w2l.errors import UserError

R = TypeVar("R")
_M_ARENA_MAX = -8  # malloc.h
# By CUDA; by torch on the CPU; by ONNX Runtime, whose errors are plain `Exception`s.
_SAID = ("out of memory", "can't allocate memory", "failed to allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of the machine or of a device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True  # torch's own is not imported for its name
    text = str(error).lower()
    return any(words in text for words in _SAID)


class Shrinking(Generic[R]):
    """Calls a function of batches with as many items at once as memory has room for.

    Where memory runs out the batch is halved and tried again, and later batches are no larger than
    the one that fitted. Usable from several threads.

    Args:
        function: takes one or more sequences of the same length, gives one result per item.
        limit: items at once to begin with; None: all.

    Attributes:
        limit: items at once, as far as is known.

    Raises:
        UserError: there is no room for a single item.
    """

    def __init__(
        self, function: Callable[..., Sequence[R] | np.ndarray], limit: int | None = None
    ) -> None:
        self._function = function
        self._lock = Lock()
        self.limit = limit

    def __call__(self, *columns: Sequence[Any] | np.ndarray) -> list[R]:
        """The results for all items, in order."""
        results: list[R] = []
        count = len(columns[0])
        while (done := len(results)) < count:
            size = min(count - done, self.limit or count)
            part = [column[done : done + size] for column in columns]
            try:
                results.extend(self._function(*part))
                continue
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    raise UserError(
                        "There is not enough memory for a single image: close other programs, "
                        "take device=cpu, or make the images smaller (resize_factor=2)."
                    ) from error
                self._shrink(size)
            # Outside of the handler, whose error holds what the failed call had allocated.
            _free()
        return results

    def _shrink(self, failed: int) -> None:
        with self._lock:
            self.limit = min(failed // 2, self.limit or failed)


@contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage meanwhile, nor look through what was imported ever again.

    What modules make is there to stay; looking through it is a fifth of what importing takes.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def share_heap() -> None:
    """Let all threads have one heap, where the C library is glibc, for as long as the process runs.

    Else each keeps what it has freed for itself: of images that go from thread to thread, 0.2 GB.
    Nothing was slower with one. Not for a library to decide: programs call it as they start.
    """
    with suppress(OSError, AttributeError):  # another C library
        CDLL("libc.so.6").mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give the system back what this process has freed, where the C library (glibc) keeps it."""
    with suppress(OSError, AttributeError):
        CDLL("libc.so.6").malloc_trim(0)


def _free() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
