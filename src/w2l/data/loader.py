"""A DataLoader that knows how far it is, so that a run goes on in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from w2l.data.batches import LipBatch, SyncBatch, to_float
from w2l.data.dataset import ClipDataset
from w2l.data.order import EpochSampler
from w2l.data.prefetch import Prefetch, first_uses
from w2l.data.workers import forking
from w2l.errors import UserError


class ClipLoader(DataLoader[SyncBatch | LipBatch]):
    """A DataLoader over an `EpochSampler` whose position Lightning keeps in the checkpoint.

    Epochs are counted here and not taken from Lightning, whose count runs ahead where a budget of
    steps ends a run in the middle of one.
    """

    as_bytes = False  # leave pictures uint8, for whoever makes them float on the GPU
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
        with forking():
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
