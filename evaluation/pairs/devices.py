"""Which GPU a worker process takes: each its own, as far as there are enough."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

SPREAD = ("auto", "cuda")
_held: list[FileLock] = []  # until the process ends


def gpu_count(device: str) -> int:
    """GPUs over which `device` spreads the workers; 0: it names one device, or there is none."""
    if device not in SPREAD:
        return 0
    import torch  # seconds, and only who asks waits

    return torch.cuda.device_count()


def new_slots() -> tempfile.TemporaryDirectory[str]:
    """A folder on this machine in which the workers of one run take places."""
    return tempfile.TemporaryDirectory(prefix="w2l-workers-")


def take_place(slots: Path) -> int:
    """The lowest place that no other living process has taken in `slots`.

    The system frees a place when its process ends, however it ends, so the worker that replaces
    one that crashed takes over its GPU.
    """
    for place in count():
        lock = FileLock(slots / str(place))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _held.append(lock)
        return place
    raise AssertionError("count() ends never")


def device_of(device: str, slots: str | None, n_gpus: int) -> str:
    """The device of this process.

    Args:
        device: as the user wants it.
        slots: from `new_slots`; None: there is but one worker here, or Ray shows each its GPU.
        n_gpus: on which workers are spread, in turn.
    """
    if slots is None or n_gpus < 2 or device not in SPREAD:
        return device
    return f"cuda:{take_place(Path(slots)) % n_gpus}"
