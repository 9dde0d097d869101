"""What one process finds out, logged by all."""

from __future__ import annotations

from collections.abc import Mapping

import pytorch_lightning as pl


def log_of_first(
    trainer: pl.Trainer, system: pl.LightningModule, values: Mapping[str, float]
) -> None:
    """Log the first process's values in all processes, which must come here together.

    A metric that one process alone knows cannot be monitored: the others would not wait for it.

    Args:
        trainer: whose processes.
        system: that logs; within a hook in which it may.
        values: by name; those of the first process count.
    """
    shared = trainer.strategy.broadcast(dict(values))
    # Reduced, or Lightning warns; the mean of equal values is that value.
    system.log_dict(shared, sync_dist=True)
