"""Switches the sync loss on, and remembers it."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_info

from w2l.bounds import Share, Whole


def updates(trainer: pl.Trainer, system: pl.LightningModule) -> int:
    """Updates so far; with two optimizers Lightning counts two steps each."""
    return trainer.global_step // int(system.optimizers_per_update)  # type: ignore[arg-type]


class SyncGate(pl.Callback):
    """Sets `sync_weight` once the validation sync loss falls under a bar, or at an update.

    At once, or growing from 0 over `ramp_updates`.

    The release mutates a global for this and forgets it on resume; here it is in the checkpoint.
    Once open, the gate stays open.

    Args:
        weight: the weight from then on (published: 0.01, with the GAN 0.03).
        below: bar on the mean validation sync loss (published: 0.75); None: no bar.
        from_update: opens at this update; None: never.
        ramp_updates: updates over which the weight then grows to its value; published: 0.
    """

    def __init__(
        self,
        weight: Share,
        below: float | None = 0.75,
        from_update: int | None = None,
        ramp_updates: Whole = 0,
    ) -> None:
        self.weight, self.below, self.from_update = weight, below, from_update
        self.ramp_updates = ramp_updates
        self.is_open = False
        self.opened_at: int | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.full_sync_weight = self.weight  # type: ignore[assignment]
        self._apply(trainer, pl_module)
        last = trainer.max_steps // int(pl_module.optimizers_per_update)  # type: ignore[arg-type]
        late = self.below is None and (self.from_update is None or self.from_update >= last)
        if trainer.max_steps != -1 and late and not self.is_open:
            rank_zero_info(
                f"the sync loss never counts in this run of {last} updates: "
                f"callbacks.sync_gate.from_update={self.from_update}"
            )

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        update = updates(trainer, pl_module)
        if not self.is_open and self.from_update is not None and update >= self.from_update:
            self._open(trainer, pl_module)
        self._apply(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss = trainer.callback_metrics.get("val/loss_sync")
        if trainer.sanity_checking or self.is_open or self.below is None or loss is None:
            return
        if float(loss) < self.below:
            self._open(trainer, pl_module)

    def _open(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.is_open = True
        self.opened_at = updates(trainer, pl_module)
        self._apply(trainer, pl_module)

    def _apply(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        share = float(self.is_open)
        if self.is_open and self.ramp_updates and self.opened_at is not None:
            since = updates(trainer, pl_module) - self.opened_at
            share = min(1.0, (since + 1) / self.ramp_updates)
        pl_module.sync_weight = self.weight * share  # type: ignore[assignment]

    def state_dict(self) -> dict[str, Any]:
        return {"is_open": self.is_open, "opened_at": self.opened_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.is_open, self.opened_at = state_dict["is_open"], state_dict["opened_at"]
