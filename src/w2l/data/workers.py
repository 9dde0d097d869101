"""What a loading process does when it starts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def sigterm_blocked() -> Iterator[None]:
    """Let processes that are forked meanwhile, and all their threads, not die of SIGTERM."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker(_: int) -> None:
    """For `DataLoader(worker_init_fn=…)`: one core each, and signals are the training's matter.

    Ctrl-C, Slurm and `timeout` signal all processes of a run. A loading process that dies of it
    takes the run down in the middle of an update; the training process ends it when it stops.
    """
    cv2.setNumThreads(0)  # OpenCV's own pool would fight over the core
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """SIGTERM from the training process ends this one, as Python does at its exit."""
    while True:
        told = signal.sigwaitinfo({signal.SIGTERM})
        if told.si_pid == os.getppid():
            os._exit(0)
