"""How many cores there are, and how many threads a worker may use."""

from __future__ import annotations

import os
import sys

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
