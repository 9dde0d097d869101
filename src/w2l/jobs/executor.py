"""The protocol of an executor, and the executors by name."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol

from w2l.errors import UserError
from w2l.jobs.outcome import Outcome, attempt
from w2l.jobs.process import ProcessExecutor
from w2l.jobs.ray import RayExecutor, RaySettings

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
