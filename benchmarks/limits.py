"""What this machine can do at most, measured beside the work: products, memory, the codec alone."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from w2l import trials
from w2l.video import VideoReader, VideoWriter
from w2l.windows import FPS

SIDE = 1536  # of the matrices
COPIED = 2**27  # bytes, more than any cache holds
TURNS = 5


def best_seconds(function: Callable[[], object], turns: int = TURNS) -> float:
    """Of several turns the quickest: a limit is what undisturbed work reaches."""
    function()
    taken = []
    for _ in range(turns):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return min(taken)


@cache
def matrix_rate(precision: str, threads: int) -> float:
    """FLOP/s of a product of two matrices, on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    a, b = torch.rand(2, SIDE, SIDE).to(getattr(torch, precision))
    seconds = best_seconds(lambda: a @ b)
    torch.set_num_threads(before)
    return 2 * SIDE**3 / seconds


@cache
def memory_rate() -> float:
    """Bytes/s that are read and written, one thread."""
    source = torch.ones(COPIED, dtype=torch.uint8)
    target = torch.empty_like(source)
    return 2 * COPIED / best_seconds(lambda: target.copy_(source))


def codec_seconds(video: Path, frames: int) -> dict[str, float]:
    """Processor seconds a frame of decoding alone, and of encoding alone as `infer.py` does."""
    start = time.process_time()
    images = list(itertools.islice(VideoReader(video), frames))
    read = time.process_time() - start
    height, width = images[0].shape[:2]
    with TemporaryDirectory() as folder:
        start = time.process_time()
        with VideoWriter(Path(folder) / "out.mp4", FPS, (width, height)) as writer:
            for image in images:
                writer.write(image)
        written = time.process_time() - start
    return {"decode": read / len(images), "encode": written / len(images)}


def flops(function: Callable[[], object]) -> int:
    """Of what torch computes in it, a product and a sum each."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function()
    return counter.get_total_flops()


def machine(threads: int) -> dict[str, Any]:
    """What was measured on, for the file of results."""
    kinds = ("float32", "bfloat16")
    return {
        "processor": processor_name(),
        "threads": threads,
        "torch": torch.__version__,
        "gflop_per_s": {kind: round(matrix_rate(kind, threads) / 1e9, 1) for kind in kinds},
        "memory_gb_per_s": round(memory_rate() / 1e9, 1),
    }


def processor_name() -> str:
    """With what it has for bfloat16, as it announces it."""
    name, announced = trials.processor()
    units = sorted(announced & {"avx2", "avx512f", "avx512_bf16", "amx_bf16"})
    return f"{name} ({', '.join(units)})"
