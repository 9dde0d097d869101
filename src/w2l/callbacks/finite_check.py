"""A run whose numbers are no numbers any more is ended, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from w2l.bounds import Count
from w2l.callbacks.sync_gate import updates
from w2l.checkpoints.load import not_finite
from w2l.errors import UserError

WATCHED = ("train/loss", "optim/grad_norm")  # beginnings of names


class DivergedError(UserError):
    """Losses, gradients or weights are NaN or infinite. All processes raise it together."""


class FiniteCheck(pl.Callback):
    """Ends a run with `DivergedError` at most `every` updates after a number stopped to be one.

    Every logged training loss and gradient norm counts, of every update; weights are looked at
    every so many updates, and before a validation. No update waits for another one's numbers.

    Args:
        every: updates from one look to the next.
    """

    def __init__(self, every: Count = 50) -> None:
        if every < 1:
            raise UserError(f"callbacks.finite_check.every={every} must be 1 or more.")
        self.every = every
        self._seen: dict[str, Tensor] = {}  # 0, or NaN from the first such value on

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        for name, value in trainer.callback_metrics.items():
            if name.startswith(WATCHED):
                self._seen[name] = self._seen.get(name, 0) + 0 * value.detach()
        if updates(trainer, pl_module) % self.every == 0:
            self._look(trainer, pl_module)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._look(trainer, pl_module)

    def _look(self, trainer: pl.Trainer, system: pl.LightningModule) -> None:
        seen, self._seen = self._seen, {}
        require_finite(trainer, system, not_finite(seen))


def require_finite(
    trainer: pl.Trainer, system: pl.LightningModule, losses: Sequence[str] = ()
) -> None:
    """End the run where a weight that would be saved is NaN or infinite. A collective.

    Args:
        trainer: whose processes agree.
        system: whose weights; frozen networks are not saved.
        losses: names of losses that were found to be so.

    Raises:
        DivergedError: in all processes, where it is so in any.
    """
    weights = not_finite(saved_weights(system))
    found = [*losses]
    if weights:
        found.append(f"{len(weights)} weights ({weights[0]} first)")
    if trainer.strategy.reduce_boolean_decision(not found, all=True):
        return
    what = " and ".join(found) or "numbers of another process"
    good = _last_good(trainer)
    way_back = f"init_from={good}" if good else "new weights: no checkpoint is from before that"
    raise DivergedError(
        f"The training has diverged: {what} were NaN or infinite by update "
        f"{updates(trainer, system)}, and nothing of that was saved. Start again from {way_back}, "
        "with a lower system.optimizer.lr or with system.clip_norm=1."
    )


def saved_weights(system: pl.LightningModule) -> dict[str, Tensor]:
    """The entries of the networks that learn, their batch norms' statistics among them."""
    frozen = tuple(
        f"{name}."
        for name, network in system.named_children()
        if not any(parameter.requires_grad for parameter in network.parameters())
    )
    return {k: v for k, v in system.state_dict().items() if not k.startswith(frozen)}


def _last_good(trainer: pl.Trainer) -> Path | None:
    """The newest checkpoint of the run: none is written of weights that are no numbers."""
    folder = getattr(trainer.checkpoint_callback, "folder", None)
    if folder is None:
        return None
    found = [path for path in Path(folder).glob("update-*.ckpt") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
