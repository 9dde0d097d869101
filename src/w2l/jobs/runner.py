"""One way to do many items, whatever they are: shares, one writer each, engines, GPUs, progress."""

from __future__ import annotations

import ctypes
import platform
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from rich.console import Console

from w2l.errors import UserError
from w2l.jobs.executor import build_executor
from w2l.jobs.outcome import Outcome, available_cores
from w2l.jobs.ray import RaySettings
from w2l.lock import only_writer
from w2l.progress import counted

SPREAD = ("auto", "cuda")
DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")
_held: list[FileLock] = []  # until the process ends


def gpu_count(device: str) -> int:
    """GPUs over which `device` spreads the workers; 0: it names one device, or there is none."""
    if device not in SPREAD or not ("torch" in sys.modules or _has_driver()):
        return 0
    import torch  # seconds, and only who may have a GPU waits

    return torch.cuda.device_count()


def _has_driver() -> bool:
    for name in DRIVERS:
        with suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def new_slots() -> tempfile.TemporaryDirectory[str]:
    """A folder on this machine in which the workers of one run take places."""
    return tempfile.TemporaryDirectory(prefix="w2l-workers-")


def take_place(slots: Path) -> int:
    """The lowest place that no other living process has taken in `slots`.

    The system frees a place when its process ends, however it ends, so the worker that replaces
    one that crashed takes over its GPU.
    """
    for place in count():
        lock = FileLock(slots / str(place))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _held.append(lock)
        return place
    raise AssertionError("count() ends never")


@dataclass(frozen=True)
class Devices:
    """On which devices the workers of a run compute.

    Attributes:
        device: as the user wants it.
        slots: from `new_slots`; None: there is but one worker here, or Ray shows each its GPU.
        n_gpus: on which workers are spread, in turn.
    """

    device: str
    slots: str | None = None
    n_gpus: int = 0

    @cache  # noqa: B019 (one or two a process)
    def mine(self) -> str:
        """The device of this process, whose place it keeps."""
        if self.slots is None or self.n_gpus < 2 or self.device not in SPREAD:
            return self.device
        return f"cuda:{take_place(Path(self.slots)) % self.n_gpus}"


T = TypeVar("T")


@dataclass(frozen=True)
class Stop:
    """What a worker gives where the whole run cannot go on: a full disk, a read-only folder."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Runner:
    """How many items are done: by how many, where, and which part of them by this run.

    Attributes:
        engine: serial, process or ray.
        workers: processes; None: as many as fit, see `run`.
        device: auto, cpu, cuda, cuda:1; auto and cuda spread the workers over all GPUs.
        shard: which part of the items, from 0.
        num_shards: of how many; each may run on another machine, into the same folder.
        ray: of the cluster, for engine=ray.

    Raises:
        UserError: a value makes no sense.
    """

    engine: str = "process"
    workers: int | None = None
    device: str = "auto"
    shard: int = 0
    num_shards: int = 1
    ray: RaySettings = field(default_factory=RaySettings)

    def __post_init__(self) -> None:
        if not 0 <= self.shard < self.num_shards:
            raise UserError(
                f"shard={self.shard} does not exist: num_shards={self.num_shards} are numbered "
                "from 0."
            )
        if self.engine == "ray" and self.device.startswith("cuda") and not self.ray.gpus_per_worker:
            raise UserError(
                f"device={self.device} with engine=ray needs gpus_per_worker=1, or less."
            )

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Those of all items that are this run's."""
        return items[self.shard :: self.num_shards]

    @contextmanager
    def only(self, folder: Path, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of this share's work in `folder`; a second run waits for the first."""
        with only_writer(folder / f"{name}-{self.shard}-of-{self.num_shards}", waiting):
            yield

    def run(
        self,
        make: Callable[[Devices], Callable[[Any], Any]],
        items: Sequence[Any],
        *,
        console: Console | None = None,
        doing: str = "",
        what: str = "",
        per_gpu: int = 1,
    ) -> Generator[Outcome, None, None]:
        """Yield what became of each item, as they finish; progress is shown meanwhile.

        Args:
            make: gives the worker, which is called with each item, in any process, and gives what
                becomes of it, or a `Stop`. It asks the devices for its process's own. Its
                `start()`, if it has one, is called first in each process.
            items: all that is to be done now.
            console: shows how far it is; None: nothing does.
            doing, what: the work and the items' name in the plural, in a word or two.
            per_gpu: workers for each GPU where there are any (but no more than cores); 0: the work
                needs none.

        Raises:
            UserError: a worker gave a `Stop`, or cannot start.
        """
        if not items:
            return
        n_gpus = gpu_count(self.device) if per_gpu and self.engine == "process" else 0
        workers = self.workers or min(available_cores(), per_gpu * n_gpus) or None
        ray = self.ray if per_gpu else replace(self.ray, gpus_per_worker=0)
        executor = build_executor(self.engine, workers=workers, ray=ray)
        with ExitStack() as stack:
            slots = stack.enter_context(new_slots()) if n_gpus > 1 else None
            worker = make(Devices(self.device, slots, n_gpus))
            mapped = executor.map(worker, items, initializer=getattr(worker, "start", None))
            outcomes: Iterator[Outcome] = stack.enter_context(closing(mapped))
            if console is not None:
                outcomes = counted(outcomes, len(items), console, doing, what)
            for outcome in outcomes:
                if isinstance(outcome.value, Stop):
                    raise UserError(outcome.value.message)
                yield outcome


def check_shared(folder: Path) -> None:
    """Is the folder into which a worker writes there, on its machine?

    Raises:
        UserError: it is not.
    """
    if not folder.is_dir():
        raise UserError(
            f"out={folder} is not there on {platform.node()}: choose a folder that all nodes of "
            "the cluster share."
        )
