"""`debug=overfit`: can this data and this model learn at all?"""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_info

from w2l.callbacks.diagnosis import symptoms
from w2l.callbacks.sync_gate import updates
from w2l.data import clips_of
from w2l.errors import UserError, either


class OverfitCheck(pl.Callback):
    """Ends the run when the loss of the same few windows is under a bar, or time is up.

    Args:
        metric: logged training loss.
        below: the bar.
        minutes: time that it may take.
    """

    def __init__(
        self, metric: str = "train/loss", below: float = 0.05, minutes: float = 5.0
    ) -> None:
        self.metric, self.below, self.minutes = metric, below, minutes
        self.passed = False
        self._first: float | None = None
        self._lowest = float("inf")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        logged = trainer.callback_metrics
        if self.metric not in logged:
            raise UserError(
                f"overfit.metric={self.metric} is not logged: use {either(sorted(logged))}."
            )
        loss = float(logged[self.metric])
        self._batch = batch
        self._first = loss if self._first is None else self._first
        self._lowest = min(self._lowest, loss)
        seconds = time.monotonic() - self._started
        # All processes stop after the same update, or some would wait for the others.
        if trainer.strategy.reduce_boolean_decision(loss < self.below, all=True):
            self.passed = True
            rank_zero_info(
                f"overfit: data and model can learn: {self.metric} fell from {self._first:.3f} "
                f"to {loss:.3f} in {updates(trainer, pl_module)} updates, {seconds:.0f} s."
            )
        elif not trainer.strategy.reduce_boolean_decision(seconds > 60 * self.minutes, all=False):
            return
        trainer.should_stop = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Raises UserError with what is wrong where the bar was not reached."""
        if self.passed or trainer.interrupted or self._first is None:
            return
        found = symptoms(self._batch, clips_of(trainer.datamodule, "train"))  # type: ignore[attr-defined]
        frozen = not any(p.requires_grad for p in pl_module.parameters())
        if frozen:
            found.insert(0, "No parameter is trained.")
        rates = [
            group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups
        ]
        if not max(rates, default=0) > 0:
            found.insert(0, "The learning rate is 0.")
        raise UserError(
            f"overfit: {self.metric} of the same few windows fell from {self._first:.3f} to "
            f"{self._lowest:.3f} only, not under {self.below}: "
            + (" ".join(found) or "nothing is visibly wrong with the data; try another rate.")
        )
