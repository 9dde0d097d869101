"""Signals that ask a command to end do it in good order, as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
    """Within, the first SIGTERM or SIGHUP raises `Ended`, so that everything cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread
        return

    def end(number: int, _: object) -> None:
        for name in names:  # a second one must not end the cleaning up
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        raise Ended(number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), end) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
