"""The protocol of an executor, and the executors by name."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from itertools import islice
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from w2l.errors import UserError
from w2l.jobs.outcome import Outcome, attempt, available_cores, limit_threads
from w2l.jobs.ray import RayExecutor, RaySettings

Function = Callable[[Any], Any]
Initializer = Callable[[], object] | None

ATTEMPTS = 2  # workers that an item may take down; the first may have died of another's hunger
GRACE_S = 3  # seconds that an abandoned item has to clean up


class ProcessExecutor:
    """See `w2l.jobs.Executor`.

    Each worker is a pool of one process that holds one item at a time. In a shared pool of n a
    crash breaks all n items in flight and nobody knows which one did it; here it has one culprit,
    which is tried once more.

    Args:
        workers: number of processes; None: one per available core. Each gets its share of the
            cores as threads for torch and OpenCV.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cores()
        self.threads = max(1, available_cores() // self.workers)

    def map(
        self, function: Function, items: Iterable[Any], *, initializer: Initializer = None
    ) -> Generator[Outcome, None, None]:
        """Yield the outcomes as they come.

        Raises:
            UserError: a worker died before its first item.
            Exception: whatever `initializer` raised.
        """
        queue = iter(items)
        workers: list[_Worker] = []
        running: dict[Future[Outcome], _Worker] = {}

        def hire() -> _Worker:
            workers.append(_Worker(self.threads, initializer))
            return workers[-1]

        try:
            for item in islice(queue, self.workers):
                worker = hire()
                running[worker.submit(function, item)] = worker
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    worker = running.pop(future)
                    outcome = worker.outcome()
                    if outcome.crashed:
                        worker.stop()
                        tries, worker = worker.tries, hire()
                        if tries < ATTEMPTS:
                            running[worker.submit(function, outcome.item, tries + 1)] = worker
                            continue
                    # The next item goes out before this one's outcome is looked at.
                    try:
                        running[worker.submit(function, next(queue))] = worker
                    except StopIteration:
                        worker.stop()
                    yield outcome
        finally:
            for worker in workers:
                worker.abandon()  # all of them first: they clean up at the same time
            for worker in workers:
                worker.stop()


class _Worker:
    """One process, one item at a time. The process starts with the first item."""

    def __init__(self, threads: int, initializer: Initializer) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self._start = (threads, initializer)
        self._started: Future[None] | None = None
        self._processes: set[BaseProcess] = set()
        self._item: Any = None
        self.tries = 1  # workers that its item has had, this one among them
        self._future: Future[Outcome] = Future()

    def submit(self, function: Function, item: Any, tries: int = 1) -> Future[Outcome]:
        """Hand `item` to the process."""
        self.tries = tries
        if self._started is None:
            others = set(multiprocessing.active_children())
            with _interrupts_ignored():
                self._started = self._pool.submit(_start, *self._start)
            self._processes = set(multiprocessing.active_children()) - others
        self._item = item
        try:
            self._future = self._pool.submit(attempt, function, item)
        except BrokenExecutor as error:  # it died between two items
            self._future = Future()
            self._future.set_exception(error)
        return self._future

    def outcome(self) -> Outcome:
        """The outcome of the item last submitted, once its future is done."""
        assert self._started is not None
        try:
            self._started.result()
        except BrokenExecutor as error:
            raise UserError(
                "A worker process died before its first item, probably for lack of memory: "
                "set workers to a smaller number."
            ) from error
        try:
            return self._future.result()
        except BrokenExecutor:
            return Outcome(
                self._item,
                error=f"{ATTEMPTS} worker processes died (out of memory, or a fault in a decoder)",
                crashed=True,
            )
        except Exception as error:  # an item or a result that cannot be pickled
            return Outcome(self._item, error=f"{type(error).__name__}: {error}")

    def abandon(self) -> None:
        """Tell the process to leave the item that it works on, if any."""
        if not self._future.done():
            for process in self._processes:
                process.terminate()

    def stop(self) -> None:
        """End the process, at once if it has nothing to do or was told to leave it."""
        self._pool.shutdown(wait=not self._future.done(), cancel_futures=True)


def _start(threads: int, initializer: Initializer) -> None:
    """First call in a worker."""
    signal.signal(signal.SIGTERM, _clean_up_and_end)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    limit_threads(threads)
    if initializer is not None:
        initializer()
        limit_threads(threads)  # again for the libraries that it loaded


def _clean_up_and_end(*_: object) -> None:
    """SIGTERM becomes an exception, so that the `with` blocks of the running item clean up."""
    # An exception may get lost, in a __del__ or a callback; the alarm ends the process even so.
    signal.alarm(GRACE_S)
    sys.exit(1)


def _die_with_parent() -> None:
    """A parent that was killed must not leave workers that write on into its folder."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes started in here ignore Ctrl-C: the parent hears it and stops them in order."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


__all__ = ["Executor", "Outcome", "build_executor"]


class SerialExecutor:
    """See `w2l.jobs.Executor`. A crash here takes the whole run down."""

    def map(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        initializer: Callable[[], object] | None = None,
    ) -> Generator[Outcome, None, None]:
        """Yield the outcomes in the order of the items."""
        for number, item in enumerate(items):
            if number == 0 and initializer is not None:
                initializer()
            yield attempt(function, item)


class Executor(Protocol):
    """Runs a function over items."""

    def map(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        initializer: Callable[[], object] | None = None,
    ) -> Generator[Outcome, None, None]:
        """Yield one `Outcome` per item, as they finish, in any order.

        Args:
            function: called with one item; picklable, and so are items and results.
            items: taken as workers get free, never all at once.
            initializer: called once in each worker before its first item, to load what is
                costly; an error in it ends the run, since every item would meet it.

        Closing the iterator early, or Ctrl-C, stops the workers.
        """
        ...


def build_executor(
    name: str, *, workers: int | None = None, ray: RaySettings | None = None
) -> Executor:
    """The executor called `name`.

    Args:
        name: `serial` (in this process), `process` (local processes) or `ray` (processes on the
            nodes of a Ray cluster).
        workers: number of processes; None: one per available core.
        ray: settings of the cluster; None: the defaults.

    Raises:
        UserError: there is no such executor, Ray is not installed, or `workers` is not positive.
    """
    if workers is not None and workers < 1:
        raise UserError(f"workers={workers} must be at least 1 (null: one per core).")
    if name == "serial":
        return SerialExecutor()
    if name == "process":
        return ProcessExecutor(workers)
    if name == "ray":
        return RayExecutor(workers, ray)
    raise UserError(f"engine={name} is unknown: use process, serial or ray.")
