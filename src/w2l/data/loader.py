"""A DataLoader that knows how far it is, so that a run goes on in the middle of an epoch."""

from __future__ import annotations

import gc
import os
import signal
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import cv2
import numpy as np
from torch.utils.data import DataLoader, Sampler

from w2l.data.batches import LipBatch, SyncBatch, to_float
from w2l.data.clips import BadClipError
from w2l.data.dataset import ClipDataset
from w2l.errors import UserError

AHEAD = 2  # shards fetched beyond those in use


class EpochSampler(Sampler[int]):
    """Indices `epoch · n + i`, i in an order shuffled by (seed, epoch), split over processes.

    Args:
        n: samples per epoch, over all processes.
        seed: of the order.
        shuffle: False keeps the order and repeats the same indices each epoch (validation).
        rank: this process.
        num_replicas: number of processes; each gets the same count, the rest is dropped unless
            there would be none.
        shards: clips in each shard, where samples are to be drawn from few shards at a time;
            sample i is of clip i modulo their sum.
        window: how many shards at a time.
    """

    def __init__(
        self, n: int, *, seed: int = 0, shuffle: bool = True, rank: int = 0, num_replicas: int = 1,
        shards: Sequence[int] | None = None, window: int = 8,
    ) -> None:  # fmt: skip
        self.n, self.seed, self.shuffle = n, seed, shuffle
        self.rank, self.num_replicas = rank, num_replicas
        self.shards, self.window = shards, window
        self.epoch = 0  # set by the loader before each pass, as is
        self.skip = 0  # samples that the next pass leaves out: a resumed run had them

    def __len__(self) -> int:
        return max(1, self.n // self.num_replicas)

    def __iter__(self) -> Iterator[int]:
        first, self.skip = self.skip, 0
        return iter(self.order()[first:].tolist())

    def order(self) -> np.ndarray:
        """This process's indices of the epoch, (len(self),) int."""
        if not self.shuffle:
            return self._share(np.arange(self.n))
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.shards is None:
            order = np.arange(self.n)
            rng.shuffle(order)
            return self._share(order) + self.epoch * self.n
        return self._rolling(rng, self.shards) + self.epoch * self.n

    def _share(self, order: np.ndarray) -> np.ndarray:
        """Every `num_replicas`-th, from the `rank`-th on."""
        return np.resize(order, len(self) * self.num_replicas)[self.rank :: self.num_replicas]

    def _rolling(self, rng: np.random.Generator, shards: Sequence[int]) -> np.ndarray:
        """Samples mixed among `window` shards at a time, each process with shards of its own.

        Shards follow each other in a random order, and processes take equal stretches of that, so
        that a node fetches its part of the set and not all of it. A sample whose shard is the p-th
        comes at a random moment of [p, p + window): at moment t only shards of (t - window, t]
        are in use.
        """
        shard = np.repeat(np.arange(len(shards)), shards)[np.arange(self.n) % sum(shards)]
        place = rng.permutation(len(shards))[shard]
        order = np.lexsort((rng.random(self.n), place))
        size = len(self)
        mine = np.resize(order, size * self.num_replicas)[self.rank * size :][:size]
        moment = place[mine] + self.window * rng.random(size)
        return mine[np.argsort(moment)]


def first_uses(shards: np.ndarray) -> tuple[list[int], list[int]]:
    """Where each shard first occurs in the order of samples, and which one it is, by position."""
    which, positions = np.unique(shards, return_index=True)
    order = np.argsort(positions)
    return positions[order].tolist(), which[order].tolist()


class Prefetch:
    """A thread that fetches shards in the order of their first use, `AHEAD` of the training.

    What cannot be fetched is left to the worker that needs it, which reports it.

    Args:
        fetch: brings a shard to this machine.
        positions: at which sample each shard is first used, ascending.
        shards: which one, likewise.
    """

    def __init__(
        self, fetch: Callable[[int], object], positions: Sequence[int], shards: Sequence[int]
    ) -> None:
        self._fetch, self._positions, self._shards = fetch, positions, shards
        self._in_use, self._stopped = 1, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def start(self) -> None:
        """Begin with the first shards."""
        self._thread.start()

    def advance(self, position: int) -> None:
        """So many samples have been taken."""
        with self._changed:
            self._in_use = bisect_right(self._positions, position)
            self._changed.notify()

    def stop(self) -> None:
        """Fetch no further shard; one that is under way comes to its end."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        for nth, shard in enumerate(self._shards):
            with self._changed:
                while not self._stopped and nth >= self._in_use + AHEAD:
                    self._changed.wait()
                if self._stopped:
                    return
            with suppress(BadClipError, UserError):
                self._fetch(shard)


@contextmanager
def forking() -> Iterator[None]:
    """Make it safe for loading processes to be forked meanwhile.

    Garbage goes first: collected there, FFmpeg's filter graphs would wait for ever for their
    threads, which are not forked. SIGTERM is blocked for all threads that torch starts there; by
    one that does not block it the process would die of it (see `start_worker`).
    """
    gc.collect()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker(_: int) -> None:
    """For `DataLoader(worker_init_fn=…)`: one core each, and signals are the training's matter.

    Ctrl-C, Slurm and `timeout` signal all processes of a run. A loading process that dies of it
    takes the run down in the middle of an update; the training process ends it when it stops.
    """
    cv2.setNumThreads(0)  # OpenCV's own pool would fight over the core
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """SIGTERM from the training process ends this one, as Python does at its exit."""
    while True:
        told = signal.sigwaitinfo({signal.SIGTERM})
        if told.si_pid == os.getppid():
            os._exit(0)


class ClipLoader(DataLoader[SyncBatch | LipBatch]):
    """A DataLoader over an `EpochSampler` whose position Lightning keeps in the checkpoint.

    Epochs are counted here and not taken from Lightning, whose count runs ahead where a budget of
    steps ends a run in the middle of one.
    """

    as_bytes = False  # leave images uint8, for whoever makes them float on the GPU
    dataset: ClipDataset
    sampler: EpochSampler
    batch_size: int
    _epoch = 0
    _taken = 0  # batches of this epoch
    _resumed = False

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        if self._taken and not self._resumed:
            self._epoch, self._taken = self._epoch + 1, 0
        self._resumed = False
        self.sampler.epoch = self._epoch
        self.sampler.skip = self._taken * self.batch_size
        prefetch = self._prefetch(self.sampler.skip)
        with forking() if self.num_workers else nullcontext():
            batches = super().__iter__()
        if prefetch is not None:
            prefetch.start()
        try:
            for batch in batches:
                self._taken += 1
                if prefetch is not None:
                    prefetch.advance(self._taken * self.batch_size)
                yield batch if self.as_bytes else to_float(batch)
        except UserError as error:
            # A worker's error comes with its traceback as text; the user reads the sentence.
            raise UserError(str(error).rstrip().rpartition("UserError: ")[2]) from error
        finally:
            if prefetch is not None:
                prefetch.stop()

    def _prefetch(self, skip: int) -> Prefetch | None:
        """Who fetches this pass's shards, where they are streamed."""
        clips = self.dataset.streamed
        if clips is None:
            return None
        order = self.sampler.order()[skip:] % len(clips)
        positions, shards = first_uses(np.searchsorted(clips.ends, order, side="right"))
        positions = [skip + position for position in positions]
        return Prefetch(lambda shard: clips.locate(clips.entries[shard]), positions, shards)

    def state_dict(self) -> dict[str, int]:
        if self._taken == len(self):
            return {"epoch": self._epoch + 1, "batches": 0}
        return {"epoch": self._epoch, "batches": self._taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._epoch, self._taken, self._resumed = state["epoch"], state["batches"], True
