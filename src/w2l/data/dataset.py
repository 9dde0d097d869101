"""Clips → samples, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Dataset, Sampler

from w2l.data.batches import LipBatch, SyncBatch
from w2l.data.clips import BadClipError, Clip
from w2l.data.samples import Samples
from w2l.errors import UserError

MAX_TRIES = 10


class ClipDataset(Dataset[SyncBatch | LipBatch]):
    """Sample `index` is drawn from clip `index % len(clips)`.

    Which windows are drawn is decided by (seed, index), not by a worker's state, so a run is the
    same for any number of workers; `EpochSampler` makes the indices of each epoch new ones.

    Args:
        clips: at least one.
        samples: draws windows from a clip.
        seed: of the drawing.
        repeats: samples per clip and epoch (the published recipe: 1).
    """

    def __init__(
        self, clips: Sequence[Clip], samples: Samples, *, seed: int = 0, repeats: int = 1
    ) -> None:
        self.clips = list(clips)
        self.samples = samples
        self.seed = seed
        self.repeats = repeats
        self.rejected: Counter[str] = Counter()
        self.drawn = 0

    def __len__(self) -> int:
        return len(self.clips) * self.repeats

    def __getitem__(self, index: int) -> SyncBatch | LipBatch:
        """A sample; a clip that gives none is replaced by another, and counted by reason.

        Raises:
            UserError: ten clips in a row gave none, or more than half of all draws failed.
        """
        rng = np.random.default_rng([self.seed, index])
        number = index % len(self.clips)
        for _ in range(MAX_TRIES):
            clip = self.clips[number]
            try:
                sample = self.samples(clip, rng)
            except BadClipError as error:
                self.rejected[str(error)] += 1
                number = int(rng.integers(len(self.clips)))
            else:
                self.drawn += 1
                self._check_rejections()
                return sample
        raise UserError(self._rejection_sentence(clip))

    def _check_rejections(self) -> None:
        rejected = self.rejected.total()
        if rejected > 100 and rejected > self.drawn:
            raise UserError(self._rejection_sentence(self.clips[0]))

    def _rejection_sentence(self, clip: Clip) -> str:
        reasons = ", ".join(f"{reason}: {n}" for reason, n in self.rejected.most_common())
        root = os.path.dirname(clip.folder.parent)
        return f"Too many clips under {root} give no sample ({reasons}): preprocess them again."


class EpochSampler(Sampler[int]):
    """Indices `epoch · n + i`, i in an order shuffled by (seed, epoch), split over processes.

    Args:
        n: samples per epoch, over all processes.
        seed: of the order.
        shuffle: False keeps the order and repeats the same indices each epoch (validation).
        rank: this process.
        num_replicas: number of processes; each gets the same count, the rest is dropped unless
            there would be none.
    """

    def __init__(
        self, n: int, *, seed: int = 0, shuffle: bool = True, rank: int = 0, num_replicas: int = 1
    ) -> None:
        self.n, self.seed, self.shuffle = n, seed, shuffle
        self.rank, self.num_replicas = rank, num_replicas
        self.epoch = 0  # set by the loader before each pass, as is
        self.skip = 0  # samples that the next pass leaves out: a resumed run had them

    def __len__(self) -> int:
        return max(1, self.n // self.num_replicas)

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.n)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
            order += self.epoch * self.n
        mine = np.resize(order, len(self) * self.num_replicas)[self.rank :: self.num_replicas]
        first, self.skip = self.skip, 0
        return iter(mine[first:].tolist())
