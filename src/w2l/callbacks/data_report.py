"""How many draws gave no sample, and why."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn

from w2l.callbacks.sync_gate import updates


class DataReport(pl.Callback):
    """Logs `data/rejected_<reason>`: draws from the training set that gave no sample, so far.

    Summed over all workers of all processes. A reason that never occurred is not logged.
    """

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if (batch_idx + 1) % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._log(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        counts = self._log(trainer, pl_module)
        if counts:
            reasons = ", ".join(f"{reason}: {n}" for reason, n in counts.items())
            rank_zero_warn(f"Draws from clips that give no sample were made anew ({reasons}).")

    def _log(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, int]:
        """The counts above 0, after logging them. All processes must come here together."""
        drawn_from = getattr(trainer.datamodule, "train_set", None)  # type: ignore[attr-defined]
        rejections = getattr(drawn_from, "rejections", None)
        if rejections is None:  # somebody's own data module
            return {}
        by_reason = rejections.by_reason
        own = torch.tensor(list(by_reason.values()), dtype=torch.float64, device=pl_module.device)
        total = trainer.strategy.reduce(own, reduce_op="sum")
        counts = {reason: int(n) for reason, n in zip(by_reason, total.tolist(), strict=True) if n}
        metrics = {f"data/rejected_{key.replace(' ', '_')}": float(n) for key, n in counts.items()}
        for logger in trainer.loggers if metrics else ():
            logger.log_metrics(metrics, step=updates(trainer, pl_module))
        return counts
