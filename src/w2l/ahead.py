"""Stages that work at the same time: one thread reads ahead, one writes behind, in order.

Each holds a bounded number of items. An error comes up where its item would have, and a consumer
that stops early leaves no thread behind, even where nobody closes the iterator but the garbage
collector: in whichever thread that is, and whatever else it has cleared by then. (An executor's
thread ends when the collector clears the executor, and who then waits for it waits for ever.)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from threading import Event, Semaphore, Thread, current_thread
from typing import Any, TypeVar

T = TypeVar("T")

_END: Any = object()


def ahead(items: Iterable[T], size: int) -> Generator[T]:
    """The same items, made by a thread of their own, up to `size` before they are asked for."""
    made: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    room, stopped = Semaphore(size), Event()

    iterator = iter(items)

    def make() -> None:
        try:
            while room.acquire() and not stopped.is_set():
                item = next(iterator, _END)
                made.put((item, None))
                if item is _END:
                    break
                del item  # or it is held until there is room for the next one
        except BaseException as error:
            made.put((_END, error))
        finally:
            if isinstance(iterator, Generator):  # files are closed by the thread that read them
                iterator.close()

    thread = _start(make, "ahead")
    try:
        while True:
            item, error = made.get()
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # else it holds itself, and the images of its frames
            if item is _END:
                break
            room.release()
            yield item
            del item
    finally:
        stopped.set()
        room.release()
        _join(thread)


def behind(items: Iterable[T], work: Callable[[T], object], size: int) -> Generator[T]:
    """The same items; meanwhile a thread does `work` on each in order, at most `size` behind.

    When the last item was taken and the iterator asked for another, all work is done; when it is
    closed before, none is being done any more.
    """
    waiting: SimpleQueue[Any] = SimpleQueue()
    room, stopped = Semaphore(size), Event()
    errors: list[BaseException] = []

    def do_work() -> None:
        while (item := waiting.get()) is not _END and not stopped.is_set():
            try:
                work(item)
            except BaseException as error:
                errors.append(error)
                stopped.set()
            del item
            room.release()

    thread = _start(do_work, "behind")
    try:
        for item in items:
            room.acquire()
            if errors:
                break
            waiting.put(item)
            yield item
            del item
        waiting.put(_END)
        thread.join()
        if errors:
            raise errors[0]
    finally:
        stopped.set()
        waiting.put(_END)
        _join(thread)
        # An error holds the frames that it went through, and these the stages before: their
        # threads would still be there when the process ends, which then aborts.
        if isinstance(items, Generator):
            items.close()


def _start(target: Callable[[], None], name: str) -> Thread:
    thread = Thread(target=target, name=name, daemon=True)  # a forgotten one holds up no exit
    thread.start()
    return thread


def _join(thread: Thread) -> None:
    if thread is not current_thread():  # the collector may run in any
        thread.join()
