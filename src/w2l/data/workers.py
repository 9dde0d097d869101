"""What a loading process does when it starts."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def forking() -> Iterator[None]:
    """Make it safe for loading processes to be forked meanwhile.

    Garbage goes first: collected there, FFmpeg's filter graphs would wait for ever for their
    threads, which are not forked. SIGTERM is blocked for all threads that torch starts there; by
    one that does not block it the process would die of it (see `start_worker`).
    """
    gc.collect()
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
