"""Worker processes on the nodes of a Ray cluster; a lost one costs its item an attempt."""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
import platform
import socket
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from w2l.errors import UserError
from w2l.jobs.outcome import Outcome, attempt, available_cores, limit_threads


@dataclass(frozen=True)
class Surroundings:
    """What a worker shares with the process that hired it, and what it may use.

    Attributes:
        folder: where relative paths start.
        path: where modules are looked for.
        threads: for torch and OpenCV.
        gpus: whether it was given any.
    """

    folder: str
    path: list[str]
    threads: int
    gpus: bool


class RayWorker:
    """The class of the actors: holds the function, and works on one item at a time."""

    def __init__(self) -> None:
        self._function: Callable[[Any], Any] | None = None

    def start(self, surroundings: Surroundings, functions: bytes) -> None:
        """First call.

        Args:
            surroundings: taken on before anything else is loaded.
            functions: pickled (function, initializer or None).

        Raises:
            UserError: the folder does not exist on this node.
            Exception: whatever the initializer raised.
        """
        try:
            os.chdir(surroundings.folder)
        except OSError as error:
            raise UserError(
                f"{surroundings.folder} is not there on node {platform.node()}: start the command "
                "in a folder that all nodes of the Ray cluster share."
            ) from error
        sys.path[:] = dict.fromkeys([*surroundings.path, *sys.path])
        if not surroundings.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray shows those of others
        limit_threads(surroundings.threads)
        self._function, initializer = pickle.loads(functions)
        if initializer is not None:
            initializer()
            limit_threads(surroundings.threads)  # again for the libraries that it loaded

    def run(self, item: bytes) -> Outcome:
        """What becomes of a pickled item."""
        assert self._function is not None
        return attempt(self._function, pickle.loads(item))


CONNECT_S = 10
STORE_BYTES = 100 * 2**20  # shared memory of a local Ray; items and results are small

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_SCHEDULER_EVENTS": "0",  # no lines about what the autoscaler does
    "RAY_agent_register_timeout_ms": "600000",  # a busy machine takes longer than 30 s to start
    "RAY_worker_register_timeout_seconds": "600",
}


def require_ray() -> None:
    """Check, without loading it, that Ray is there.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError('engine=ray needs Ray: pip install "w2l[ray]", or use engine=process.')


@contextmanager
def joined(address: str | None, cores: int) -> Iterator[Any]:
    """The `ray` module, connected within; as it is where this process is connected already.

    Args:
        address: of a cluster: `auto`, `HOST:PORT`, `ray://HOST:PORT`; None starts a local one.
        cores: of the local one.

    Raises:
        UserError: there is no such cluster, or it runs another version of Ray or Python.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray
        return
    # Ray prints what its daemons say of a dead worker, whatever log_to_driver is. The outcome
    # of the item says it too.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    if address and ":" in address:
        _knock(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        options |= {"num_cpus": cores, "object_store_memory": STORE_BYTES}
        options |= {"include_dashboard": False}
    try:
        ray.init(address=address or "local", **options)
    except (OSError, RuntimeError, ValueError) as error:
        ray.shutdown()
        why = " ".join(str(error).split())
        if address is None:
            raise UserError(f"Ray does not start ({why}): use engine=process.") from error
        raise _unreachable(address, why) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Fail at once where nobody listens: Ray tries for minutes, and says so line by line."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, why: str) -> UserError:
    return UserError(
        f"ray_address={address} cannot be joined ({why}): start a cluster with `ray start --head`, "
        "with the same versions of Ray and Python and the same token, or leave ray_address=null."
    )


def room(ray: Any, gpus: float) -> int:
    """How many workers of one core and `gpus` GPUs each fit the nodes that are there.

    Raises:
        UserError: not one.
    """
    fit = 0
    for node in filter(lambda node: node["Alive"], ray.nodes()):
        cores, devices = (int(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU"))
        if gpus:  # several may share a device, but a share never spans two
            cores = min(cores, devices * int(1 / gpus) if gpus < 1 else int(devices / gpus))
        fit += cores
    if not fit:
        raise UserError(
            f"No node of the Ray cluster has a core and gpus_per_worker={gpus:g} GPUs: add such a "
            "node, or set gpus_per_worker to a smaller number."
        )
    return fit


def cores(ray: Any) -> int:
    """Cores of all nodes."""
    return int(ray.cluster_resources().get("CPU", 0))


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
