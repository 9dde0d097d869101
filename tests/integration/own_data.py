"""A data module of somebody's own, which keeps its clips to itself."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from w2l.data import ClipDataModule


class OwnData(pl.LightningDataModule):
    """Gives the batches of a prepared set, and nothing else."""

    def __init__(self, **values: Any) -> None:
        super().__init__()
        self._inner = ClipDataModule(**{"batch_size": 2} | values)

    def setup(self, stage: str | None = None) -> None:
        self._inner.setup(stage)

    def train_dataloader(self) -> Any:
        return self._inner.train_dataloader()

    def val_dataloader(self) -> Any:
        return self._inner.val_dataloader()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return self._inner.on_after_batch_transfer(batch, dataloader_idx)
