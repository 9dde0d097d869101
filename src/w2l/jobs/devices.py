"""Which GPU a worker process takes: each its own, as far as there are enough."""

from __future__ import annotations

import ctypes
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

SPREAD = ("auto", "cuda")
DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")
_held: list[FileLock] = []  # until the process ends


def gpu_count(device: str) -> int:
    """GPUs over which `device` spreads the workers; 0: it names one device, or there is none."""
    if device not in SPREAD or not ("torch" in sys.modules or _has_driver()):
        return 0
    import torch  # seconds, and only who may have a GPU waits

    return torch.cuda.device_count()


def _has_driver() -> bool:
    for name in DRIVERS:
        with suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


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


@dataclass(frozen=True)
class Devices:
    """On which devices the workers of a run compute.

    Attributes:
        device: as the user wants it.
        slots: from `new_slots`; None: there is but one worker here, or Ray shows each its GPU.
        n_gpus: on which workers are spread, in turn.
    """

    device: str
    slots: str | None = None
    n_gpus: int = 0

    @cache  # noqa: B019 (one or two a process)
    def mine(self) -> str:
        """The device of this process, whose place it keeps."""
        if self.slots is None or self.n_gpus < 2 or self.device not in SPREAD:
            return self.device
        return f"cuda:{take_place(Path(self.slots)) % self.n_gpus}"
