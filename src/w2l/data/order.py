"""In which order samples are drawn, and which process draws which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


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
