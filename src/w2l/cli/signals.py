"""Signals that ask a command to end do it in good order, as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

AGAIN_S = 0.1  # after which a signal comes again that a library's callback has swallowed


class Ended(KeyboardInterrupt):
    """A signal asked for the end; what is interrupted cleans up as after Ctrl-C.

    Attributes:
        signal: the one that came.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(self.signal.name)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within, the first SIGTERM or SIGHUP raises `Ended`, so that everything cleans up.

    Where Python is called by a library that passes no exception on (a callback of ctypes or Cython,
    a destructor), the signal comes again until it ends the work.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread
        return

    def end(number: int, _: object) -> None:
        for each in numbers:  # a second one must not end the cleaning up
            signal.signal(each, signal.SIG_IGN)
        raise Ended(number)

    def swallowed(unraisable: Any) -> None:
        ended = unraisable.exc_value
        if not isinstance(ended, Ended):
            hook(unraisable)
            return
        for each in numbers:
            signal.signal(each, end)
        threading.Timer(AGAIN_S, os.kill, (os.getpid(), ended.signal)).start()

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in numbers}
    hook, sys.unraisablehook = sys.unraisablehook, swallowed
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
