"""A DataLoader that knows how far it is, so that a run goes on in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from w2l.data.batches import LipBatch, SyncBatch
from w2l.data.dataset import EpochSampler


class ClipLoader(DataLoader[SyncBatch | LipBatch]):
    """A DataLoader over an `EpochSampler` whose position Lightning keeps in the checkpoint.

    Epochs are counted here and not taken from Lightning, whose count runs ahead where a budget of
    steps ends a run in the middle of one.
    """

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
        for batch in super().__iter__():
            self._taken += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        if self._taken == len(self):
            return {"epoch": self._epoch + 1, "batches": 0}
        return {"epoch": self._epoch, "batches": self._taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._epoch, self._taken, self._resumed = state["epoch"], state["batches"], True
