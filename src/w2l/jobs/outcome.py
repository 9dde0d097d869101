"""What became of one item."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Read by the libraries when they are loaded; OpenCV has its own.
_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


def available_cores() -> int:
    """Cores that this process may run on (Slurm and `taskset` give fewer than there are)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_threads(count: int) -> None:
    """Let torch and OpenCV use `count` threads in this process, loaded already or not.

    Without it each of n workers starts a thread per core, and n² threads fight for n cores.
    """
    for variable in _VARIABLES:
        os.environ[variable] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(count)


@dataclass(frozen=True)
class Outcome:
    """What became of one item: a value, or the reason why there is none.

    Attributes:
        item: what was handed in.
        value: what the function returned; None after an error.
        error: one line, `TypeName: message`; None where all went well.
        trace: the traceback, for a developer; empty where there is none.
        crashed: the worker process died (out of memory, a fault in a decoder).
    """

    item: Any
    value: Any = None
    error: str | None = None
    trace: str = ""
    crashed: bool = False

    @property
    def ok(self) -> bool:
        """True where the function returned."""
        return self.error is None


def attempt(function: Callable[[Any], Any], item: Any) -> Outcome:
    """Call `function(item)`; an exception becomes the outcome's error."""
    try:
        return Outcome(item, value=function(item))
    except Exception as error:
        # One bad file must not end a run over a thousand: the error is kept, with its trace.
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome(item, error=message, trace=traceback.format_exc())
