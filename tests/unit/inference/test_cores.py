"""Parts of a batch on threads of one core each."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from w2l.inference.cores import Cores


@pytest.fixture
def threads():
    """Torch's own, as they were."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 3, 8])
def test_rows_come_back_in_order(n, rows, threads):
    a, b = np.arange(rows), np.arange(rows) ** 2
    given = []

    def add(x, y):
        given.append(len(x))
        return x + y

    np.testing.assert_array_equal(Cores(n)(add, a, b), a + b)
    assert len(given) == min(n, rows)
    assert max(given) - min(given) <= 1


def test_each_computes_with_one_thread_while_others_keep_theirs(threads):
    torch.set_num_threads(2)
    both = threading.Barrier(2, timeout=5)  # passes only if they run at the same time

    def count(rows):
        both.wait()
        return np.full(len(rows), torch.get_num_threads())

    cores = Cores(2)
    assert list(cores(count, np.zeros(4))) == [1, 1, 1, 1]
    assert torch.get_num_threads() == 2
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


def test_an_error_comes_up(threads):
    def fail(rows):
        raise MemoryError

    with pytest.raises(MemoryError):
        Cores(2)(fail, np.zeros(4))
