"""Switches the sync loss on, and remembers it."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl


def updates(trainer: pl.Trainer, system: pl.LightningModule) -> int:
    """Updates so far; with two optimizers Lightning counts two steps each."""
    return trainer.global_step // int(system.optimizers_per_update)  # type: ignore[arg-type]


class SyncGate(pl.Callback):
    """Sets `sync_weight` once the validation sync loss falls under a bar, or at an update.

    The release mutates a global for this and forgets it on resume; here it is in the checkpoint.
    Once open, the gate stays open.

    Args:
        weight: the weight from then on (published: 0.01, with the GAN 0.03).
        below: bar on the mean validation sync loss (published: 0.75); None: no bar.
        from_update: opens at this update; None: never.
    """

    def __init__(
        self, weight: float, below: float | None = 0.75, from_update: int | None = None
    ) -> None:
        self.weight, self.below, self.from_update = weight, below, from_update
        self.is_open = False
        self.opened_at: int | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._apply(pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self.is_open or self.from_update is None:
            return
        if updates(trainer, pl_module) >= self.from_update:
            self._open(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss = trainer.callback_metrics.get("val/loss_sync")
        if trainer.sanity_checking or self.is_open or self.below is None or loss is None:
            return
        if float(loss) < self.below:
            self._open(trainer, pl_module)

    def _open(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.is_open = True
        self.opened_at = updates(trainer, pl_module)
        self._apply(pl_module)

    def _apply(self, pl_module: pl.LightningModule) -> None:
        pl_module.sync_weight = self.weight if self.is_open else 0.0  # type: ignore[assignment]

    def state_dict(self) -> dict[str, Any]:
        return {"is_open": self.is_open, "opened_at": self.opened_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.is_open, self.opened_at = state_dict["is_open"], state_dict["opened_at"]
