"""Reading ahead and writing behind: order, bounds, errors, and no thread left."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from tests.waiting import FOR_EVER, wait_until
from w2l.ahead import ahead, behind


def names() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("ahead", "behind"))]


def test_items_come_in_order_and_the_thread_ends():
    assert list(ahead(range(100), 3)) == list(range(100))
    assert names() == []


def test_no_more_is_made_than_asked_for():
    made = []

    def items():
        for i in range(100):
            made.append(i)
            yield i

    coming = ahead(items(), 3)
    assert next(coming) == 0
    wait_until(lambda: len(made) == 4)
    time.sleep(0.1)  # in which more would be made
    assert made == [0, 1, 2, 3]
    coming.close()


def test_items_are_made_while_the_consumer_works():
    both = threading.Barrier(2, timeout=FOR_EVER)

    def items():
        yield 0
        both.wait()  # passes only if this runs while the consumer waits below
        yield 1

    coming = ahead(items(), 1)
    next(coming)
    both.wait()
    assert list(coming) == [1]


def test_an_error_comes_up_in_its_place():
    def items():
        yield 1
        raise OSError("disk")

    coming = ahead(items(), 5)
    assert next(coming) == 1
    with pytest.raises(OSError, match="disk"):
        next(coming)
    assert names() == []


def test_stopping_early_closes_what_is_read_in_its_own_thread():
    closed = []

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.append(threading.current_thread().name)

    coming = ahead(items(), 4)
    next(coming)
    coming.close()
    assert len(closed) == 1
    assert closed[0].startswith("ahead")
    assert names() == []


@pytest.mark.parametrize("stage", [ahead, lambda items, size: behind(items, str, size)])
def test_one_that_nobody_closes_holds_up_no_collector(stage):
    """As an error's traceback leaves it, in a ring with the frames that it names."""

    def leave_and_collect():
        items = stage((i for i in range(100)), 3)
        next(items)
        ring = [items]
        ring.append(ring)
        del items, ring
        gc.collect()

    thread = threading.Thread(target=leave_and_collect, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert names() == []


def test_work_is_done_in_order_and_all_of_it():
    done = []
    seen = list(behind(range(50), done.append, 4))
    assert seen == done == list(range(50))
    assert names() == []


def test_work_stays_no_more_than_its_size_behind():
    may_go, done = threading.Event(), []

    def work(item):
        may_go.wait()
        done.append(item)

    taken = []

    def take():
        taken.extend(behind(range(20), work, 3))

    consumer = threading.Thread(target=take)
    consumer.start()
    time.sleep(0.1)
    assert len(taken) <= 3
    assert done == []
    may_go.set()
    consumer.join()
    assert done == list(range(20))


def test_an_error_of_the_work_ends_it():
    def work(item):
        if item == 2:
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        list(behind(range(100), work, 2))
    assert names() == []


def test_an_error_of_the_items_leaves_no_thread():
    def items():
        yield 1
        raise ValueError("items")

    with pytest.raises(ValueError, match="items"):
        list(behind(items(), lambda item: None, 2))
    assert names() == []


def test_closing_early_waits_for_the_work_and_begins_no_more():
    started, done = [], []

    def work(item):
        started.append(item)
        time.sleep(0.05)
        done.append(item)

    items = behind(range(20), work, 3)
    next(items)
    next(items)
    items.close()
    assert started == done
    assert len(done) <= 2
    assert names() == []


def test_an_error_that_is_kept_leaves_no_thread_of_an_earlier_stage() -> None:
    """Its traceback holds them; a thread that is still there at the exit aborts the process."""

    def stage(items: Iterable[int]) -> Iterator[int]:
        yield from items

    def fail(_: int) -> None:
        raise ZeroDivisionError

    before = set(threading.enumerate())
    kept = None
    try:
        for _ in behind(stage(ahead(iter(range(1000)), 1)), fail, 1):
            pass
    except ZeroDivisionError as error:
        kept = error
    assert kept is not None
    assert kept.__traceback__ is not None
    assert set(threading.enumerate()) == before
