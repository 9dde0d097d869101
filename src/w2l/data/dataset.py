"""Clips → samples, drawn by (seed, index) alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from w2l.data.batches import LipBatch, SyncBatch
from w2l.data.clips import AnyClip, BadClipError, Rejections
from w2l.data.samples import Samples
from w2l.data.sharded import ShardedClips
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

    Attributes:
        rejections: draws that failed, over all workers.
    """

    def __init__(
        self, clips: Sequence[AnyClip], samples: Samples, *, seed: int = 0, repeats: int = 1
    ) -> None:
        self.clips = clips
        self.samples = samples
        self.seed = seed
        self.repeats = repeats
        self.rejections = Rejections()

    @property
    def streamed(self) -> ShardedClips | None:
        """The clips, if their shards come from elsewhere: few should be in use at a time."""
        is_streamed = isinstance(self.clips, ShardedClips) and self.clips.streamed
        return self.clips if is_streamed else None  # type: ignore[return-value]

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
            try:
                sample = self.samples(self.clips[number], rng)
            except BadClipError as error:
                self.rejections.count(self._where(number), error)
                if self.rejections.too_many:
                    break
                number = self._stand_in(number, rng)
            else:
                self.rejections.count_good()
                return sample
        raise UserError(self.rejections.sentence())

    def _stand_in(self, number: int, rng: np.random.Generator) -> int:
        """A clip to try in place of a bad one; while streaming one that need not be fetched."""
        if self.streamed is not None:
            return self.streamed.neighbour(number, rng)
        return int(rng.integers(len(self.clips)))

    def _where(self, number: int) -> str:
        """Name a clip for the user, even where it cannot be opened."""
        try:
            return self.clips[number].where
        except BadClipError:
            assert isinstance(self.clips, ShardedClips)
            return self.clips.where(number)
