"""Worker processes on the nodes of a Ray cluster; a lost one costs its item an attempt."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from w2l.errors import UserError
from w2l.jobs.outcome import Outcome, available_cores
from w2l.jobs.ray_cluster import cores, joined, require_ray, room
from w2l.jobs.ray_worker import RayWorker, Surroundings

Function = Callable[[Any], Any]
Initializer = Callable[[], object] | None

PATIENCE_S = 120  # without any worker, until the nodes are looked at again


@dataclass(frozen=True)
class RaySettings:
    """What only `engine=ray` needs to know.

    Attributes:
        address: of a cluster: `auto`, `HOST:PORT`, `ray://HOST:PORT`; None starts a local one.
        gpus_per_worker: GPUs of each worker, below 1 to share one; 0 hides them all.
        attempts: workers that an item may take down, or lose with their node, before it counts
            as crashed.

    Raises:
        UserError: a value makes no sense.
    """

    address: str | None = None
    gpus_per_worker: float = 0.0
    attempts: int = 2

    def __post_init__(self) -> None:
        gpus = self.gpus_per_worker
        if gpus < 0 or (gpus > 1 and gpus != int(gpus)):
            raise UserError(
                f"gpus_per_worker={gpus:g} must be a whole number, or a fraction below 1 "
                "to share a GPU."
            )
        if self.attempts < 1:
            raise UserError(f"ray_attempts={self.attempts} must be at least 1.")


class RayExecutor:
    """See `w2l.jobs.Executor`.

    Each worker is an actor that holds one item at a time, so that a lost worker has one item to
    answer for. That item is tried again on another one, since a lost node is not its fault.
    Stopped workers get no time to clean up.

    Args:
        workers: number of actors; None: as many as fit the nodes that are there. Each asks for
            one core and gets its share of all cores as threads for torch and OpenCV. Those that
            find no room wait for a node to be added.
        settings: of the cluster.

    Raises:
        UserError: Ray is not installed.
    """

    def __init__(self, workers: int | None = None, settings: RaySettings | None = None) -> None:
        require_ray()
        self.workers = workers
        self.settings = settings or RaySettings()

    def map(
        self, function: Function, items: Iterable[Any], *, initializer: Initializer = None
    ) -> Generator[Outcome, None, None]:
        """Yield the outcomes as they come.

        Raises:
            UserError: the cluster cannot be joined or has no room, or a worker died
                `settings.attempts` times before its first item.
            Exception: whatever `initializer` raised.
        """
        tasks = _Tasks(items)
        if not tasks.hold(1):
            return  # nothing to do: a cluster takes seconds to start
        with joined(self.settings.address, self.workers or available_cores()) as ray:
            fit = room(ray, self.settings.gpus_per_worker)
            workers = self.workers or fit
            pool = _Pool(ray, self.settings, workers, function, initializer)
            try:
                for _ in range(tasks.hold(workers)):
                    pool.hire()
                while pool.busy or tasks.held:
                    yield from pool.step(tasks)
            finally:
                pool.stop()


@dataclass
class _Task:
    item: Any
    attempts: int = 0


class _Tasks:
    """Items, taken as late as possible; some may be held in advance, or held again."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._new = map(_Task, items)
        self.held: deque[_Task] = deque()

    def hold(self, count: int) -> int:
        """Have `count` in hand, or as many as there are; returns how many."""
        while len(self.held) < count and (task := next(self._new, None)):
            self.held.append(task)
        return len(self.held)

    def take(self) -> _Task | None:
        """The next one; None: there is none."""
        return self.held.popleft() if self.hold(1) else None


@dataclass(frozen=True)
class _Worker:
    actor: Any
    deaths: int  # of those before it in its place that never got to an item


class _Pool:
    """Actors, by what Ray will hand back: those that load, and those that work on an item."""

    def __init__(
        self,
        ray: Any,
        settings: RaySettings,
        workers: int,
        function: Function,
        initializer: Initializer,
    ) -> None:
        self.ray = ray
        self.settings = settings
        self.starting: dict[Any, _Worker] = {}
        self.busy: dict[Any, tuple[_Worker, _Task]] = {}
        gpus = settings.gpus_per_worker
        threads = max(1, cores(ray) // workers)
        self._start = (
            Surroundings(os.getcwd(), [os.path.abspath(p) for p in sys.path], threads, gpus > 0),
            ray.cloudpickle.dumps((function, initializer)),
        )
        self._class = ray.remote(
            num_cpus=1, num_gpus=gpus, max_restarts=0, scheduling_strategy="SPREAD"
        )(RayWorker)

    def hire(self, deaths: int = 0) -> None:
        """Ask for one more worker. It gets an item once it has loaded."""
        actor = self._class.remote()
        self.starting[actor.start.remote(*self._start)] = _Worker(actor, deaths)

    def step(self, tasks: _Tasks) -> Iterator[Outcome]:
        """Wait for a worker and give it the next item; yields what has become of its last one."""
        refs = [*self.starting, *self.busy]
        done, _ = self.ray.wait(refs, timeout=None if self.busy else PATIENCE_S)
        if not done:
            room(self.ray, self.settings.gpus_per_worker)
        for ref in done:
            if ref in self.starting:
                worker = self.starting.pop(ref)
                if self._has_started(ref, worker):
                    yield from self._employ(worker, tasks)
                continue
            worker, task = self.busy.pop(ref)
            outcome = self._outcome(ref, task)
            if not outcome.crashed:
                yield from self._employ(worker, tasks)
                yield outcome
                continue
            self._dismiss(worker)
            task.attempts += 1
            again = task.attempts < self.settings.attempts
            if again:
                tasks.held.append(task)
            if tasks.hold(1):
                self.hire()
            if not again:
                yield outcome

    def stop(self) -> None:
        """End all workers."""
        for worker in [*self.starting.values(), *(worker for worker, _ in self.busy.values())]:
            self._dismiss(worker)

    def _employ(self, worker: _Worker, tasks: _Tasks) -> Iterator[Outcome]:
        """Hand over the next item, or end the worker; yields items that cannot be handed over."""
        while task := tasks.take():
            try:
                item = self.ray.cloudpickle.dumps(task.item)
            except Exception as error:
                yield Outcome(task.item, error=f"{type(error).__name__}: {error}")
                continue
            self.busy[worker.actor.run.remote(item)] = worker, task
            return
        self._dismiss(worker)

    def _has_started(self, ref: Any, worker: _Worker) -> bool:
        """Whether it is ready for an item. One that died is replaced."""
        try:
            self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:
            self._dismiss(worker)
            if worker.deaths + 1 >= self.settings.attempts:
                raise UserError(
                    f"A Ray worker died {worker.deaths + 1} times before its first item, probably "
                    "for lack of memory: set workers to a smaller number."
                ) from error
            self.hire(worker.deaths + 1)
            return False
        return True

    def _outcome(self, ref: Any, task: _Task) -> Outcome:
        try:
            return self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:  # something that cannot be pickled
            return Outcome(task.item, error=f"{type(error.cause).__name__}: {error.cause}")
        except self.ray.exceptions.RayError:
            return Outcome(
                task.item,
                error=f"{self.settings.attempts} worker processes died (out of memory, a fault "
                "in a decoder, or lost nodes)",
                crashed=True,
            )

    def _dismiss(self, worker: _Worker) -> None:
        self.ray.kill(worker.actor)
