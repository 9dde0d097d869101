"""Where Lightning's loops stand, between an update and what follows it."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl


def validation_is_due(trainer: pl.Trainer) -> bool:
    """Whether Lightning will validate after this update."""
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)


def is_last(trainer: pl.Trainer) -> bool:
    """Whether the budget ends with this update."""
    if trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps:
        return True
    epochs = trainer.max_epochs
    if epochs in (None, -1) or trainer.current_epoch + 1 < epochs:
        return False
    return trainer.fit_loop.epoch_loop.batch_progress.is_last_batch


def budget(trainer: pl.Trainer, system: pl.LightningModule) -> float:
    """The update that a run ends with; infinite where only time ends it."""
    total = trainer.max_steps / int(system.optimizers_per_update)  # type: ignore[arg-type]
    total = math.inf if trainer.max_steps == -1 else total
    if trainer.max_epochs in {None, -1}:
        return total
    per_epoch = trainer.num_training_batches / trainer.accumulate_grad_batches
    return min(total, math.ceil(per_epoch) * trainer.max_epochs)


def mark_validation_as_due(loops: dict[str, Any]) -> None:
    """Change the saved progress so that Lightning validates first when it goes on.

    It would take a checkpoint from an update's end for one from after the validation. Marked is
    an update that is complete and a validation that was begun and had no batch.
    """
    progress = loops["epoch_loop.batch_progress"]
    for count in (progress["total"], progress["current"]):
        count["completed"] = count["processed"]
    validation = loops["epoch_loop.val_loop.batch_progress"]
    validation["total"].update(ready=1, started=1, processed=0, completed=0)
    validation["current"].update(ready=0, started=0, processed=0, completed=0)
    validation["is_last_batch"] = False
