"""Batches that do not fit are made smaller, and stay so."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch

from w2l.errors import UserError
from w2l.memory import Shrinking, importing, is_out_of_memory


class Roomy:
    """Doubles numbers, as many at once as there is room for."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error, self.calls = room, error, []

    def __call__(self, numbers, others):
        self.calls.append(len(numbers))
        assert len(numbers) == len(others)
        if len(numbers) > self.room:
            raise self.error
        return [a * b for a, b in zip(numbers, others, strict=True)]


ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_batches_shrink_and_remember(error):
    function = Roomy(3, error)
    shrinking = Shrinking(function)
    numbers = list(range(10))
    assert shrinking(numbers, [2] * 10) == [2 * n for n in numbers]
    assert function.calls == [10, 5, 2, 2, 2, 2, 2]
    function.calls.clear()
    shrinking(numbers[:5], [1] * 5)
    assert function.calls == [2, 2, 1]


def test_all_at_once_where_there_is_room():
    function = Roomy(100, MemoryError())
    assert Shrinking(function)(np.arange(4), np.full(4, 3)) == [0, 3, 6, 9]
    assert function.calls == [4]


def test_other_errors_are_not_hidden():
    with pytest.raises(RuntimeError, match="shapes"):
        Shrinking(Roomy(1, RuntimeError("shapes do not match")))([1, 2], [1, 2])


def test_no_room_at_all_is_one_sentence():
    with pytest.raises(UserError, match="not enough memory"):
        Shrinking(Roomy(0, MemoryError()))([1, 2, 3], [1, 2, 3])


def test_a_real_allocation_that_fails_is_recognised():
    with pytest.raises((MemoryError, RuntimeError)) as raised:
        torch.empty(2**50, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_what_the_runtimes_say_is_recognised():
    class AllocationError(Exception):
        """Of ONNX Runtime, which are no RuntimeErrors."""

    assert is_out_of_memory(AllocationError("BFCArena: Failed to allocate memory for buffer"))
    assert not is_out_of_memory(AllocationError("Invalid rank for input"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep no heaps")
def test_what_was_freed_goes_back_to_the_system():
    """200 MB in pieces that the heap keeps, by threads that have one heap in common."""
    code = r"""
import re, threading
from w2l.memory import give_back, share_heap

def resident():
    return int(re.search(r"VmRSS:\s+(\d+)", open("/proc/self/status").read())[1]) // 1024

share_heap()
turn, all_done, kept = threading.Lock(), threading.Barrier(5), []

def fill():
    with turn:
        pieces = [bytearray(100_000) for _ in range(500)]
        kept.append(pieces.pop())
        del pieces
    all_done.wait()

for _ in range(4):
    threading.Thread(target=fill).start()
all_done.wait()
print(resident())
give_back()
print(resident())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, run.stdout.split())
    assert before - after > 30, (before, after)
    assert before < 150  # one heap: each thread takes what the one before has freed


def test_nothing_is_collected_while_modules_are_imported() -> None:
    class Cycle:
        def __init__(self) -> None:
            self.me = self

    before = gc.get_freeze_count()
    try:
        with importing():
            cycle = weakref.ref(Cycle())
            list(range(10)), [[] for _ in range(100_000)]  # many more than a generation holds
            assert cycle() is not None
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
