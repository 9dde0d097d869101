"""Parts of a batch on threads of one core each."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from tests.waiting import FOR_EVER, wait_until
from w2l.cores import Cores
from w2l.inference import FaceGenerator
from w2l.models import Generator


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 3, 8])
def test_rows_come_back_in_order(n, rows, set_threads):
    a, b = np.arange(rows), np.arange(rows) ** 2
    given = []

    def add(x, y):
        given.append(len(x))
        return x + y

    np.testing.assert_array_equal(Cores(n)(add, a, b), a + b)
    assert len(given) == min(n, rows)
    assert max(given) - min(given) <= 1


def test_each_computes_with_one_thread_while_others_keep_theirs(set_threads):
    set_threads(2)
    both = threading.Barrier(2, timeout=FOR_EVER)  # passes only if they run at the same time

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


@pytest.mark.parametrize("had", [1, 2, 5])
def test_fewer_or_more_than_torch_has_leave_torch_its_own(had, set_threads):
    set_threads(had)
    Cores(2).close()
    assert torch.get_num_threads() == had
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [had]


def test_an_error_comes_up_when_all_parts_have_ended(set_threads):
    ended = []

    def fail(rows):
        if rows[0] == 0:
            raise MemoryError
        time.sleep(0.1)
        ended.append(len(rows))
        return rows

    with pytest.raises(MemoryError):
        Cores(2)(fail, np.arange(4))
    assert ended == [2]


def test_two_cores_make_the_faces_of_one(set_threads):
    torch.manual_seed(0)
    network = Generator(width=0.125).eval()
    torch.nn.init.normal_(network.output_block[1].weight)
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
    mels = rng.normal(size=(5, 80, 16)).astype(np.float32)
    made = []
    for n in (1, 2):
        set_threads(n)
        made.append(FaceGenerator(network, "cpu").lower_half()(faces, mels))
    levels = np.abs(made[0].astype(int) - made[1])
    assert made[0].std() > 5
    assert levels.max() <= 1
    assert (levels > 0).mean() < 1e-3


@pytest.mark.parametrize("n", [1, 2])
def test_what_is_submitted_comes_back(n, set_threads):
    cores = Cores(n)
    results = [cores.submit(pow, base, 2) for base in range(5)]
    assert [result.result() for result in results] == [0, 1, 4, 9, 16]
    cores.close()


def test_closing_drops_what_was_not_begun(set_threads):
    cores = Cores(2)
    begun, go = [], threading.Event()

    def work(i):
        begun.append(i)
        go.wait()

    results = [cores.submit(work, i) for i in range(6)]
    wait_until(lambda: len(begun) == 2)
    threading.Timer(0.1, go.set).start()
    cores.close()
    assert begun == [0, 1]
    assert all(result.cancelled() for result in results[2:])


@pytest.mark.parametrize(("n", "on_their_way"), [(1, 1), (2, 3)])
def test_a_stream_comes_out_in_order_and_is_drawn_as_it_is_needed(n, on_their_way, set_threads):
    drawn = 0

    def stream():
        nonlocal drawn
        for i in range(12):
            drawn += 1
            yield i

    def square(i):
        time.sleep(0.01 * (i % 2 == 0))  # so that some are ready before those in front of them
        return i * i

    taken = []
    for result in Cores(n).map(square, stream()):
        taken.append(result)
        assert drawn - len(taken) < on_their_way
    assert taken == [i * i for i in range(12)]
