"""Signals end a run between two updates, not within one."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
REQUEUE = (signal.SIGUSR1, signal.SIGUSR2)  # what Slurm and submitit send ahead of a time limit
IMPATIENT_S = 1.0  # torchrun passes one Ctrl-C on, so that it arrives twice in a moment


class Stopped(BaseException):
    """A run was ended by a signal. No `Exception`, so that nothing on the way takes it for one.

    Attributes:
        signal: the one that came.
        checkpoint: what was written, None where it had to end at once.
    """

    def __init__(self, number: int, checkpoint: Path | None = None) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal, self.checkpoint = signal.Signals(number), checkpoint


class StopSignals:
    """Notes the first of SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 while it is entered.

    Lightning's own handlers save from within a step, which is not exact, and broadcast from a
    handler, which can hang; `hold` takes their place. Further signals change nothing, but a second
    Ctrl-C after a second raises `Stopped` at once. SIGUSR2 is left alone where nobody else (as
    submitit) handles it.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.quiet = False  # of several processes one speaks
        self._since = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in HEARD}
            if not callable(self._before[signal.SIGUSR2]):
                del self._before[signal.SIGUSR2]
        self.hold()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def hold(self) -> None:
        """(Re)place the handlers of the signals that are heard."""
        for number in self._before:
            signal.signal(number, self._note)

    def earlier(self, number: signal.Signals) -> Any:
        """The handler that somebody else had set for this signal, or None."""
        handler = self._before.get(number)
        return handler if callable(handler) and handler is not signal.default_int_handler else None

    def _note(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        if first:
            self._since = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._since > IMPATIENT_S:
            raise Stopped(number)
        if first or number in REQUEUE:
            self.received = signal.Signals(number)
        if first and not self.quiet:
            hint = "; Ctrl-C again ends it at once" if number == signal.SIGINT else ""
            line = f"\n{self.received.name}: stopping after this update{hint}\n"  # type: ignore[union-attr]
            os.write(2, line.encode())  # print may be interrupted by itself here
