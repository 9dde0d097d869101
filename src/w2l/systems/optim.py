"""Optimizers and schedules."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from w2l.bounds import Whole
from w2l.errors import UserError

WARMUP_SHARE = 0.2  # of all updates, at most


MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
"""A class of torch's, or of one's own, with all of its arguments but the parameters."""

MakeScheduler = Callable[..., LRScheduler]
"""Likewise, with all arguments but the optimizer; `total_updates` is given where it is taken."""


class Learner:
    """How one network learns.

    Args:
        optimizer: of its parameters; None: Adam at 1e-4, as published.
        scheduler: steps with each update; None: the rate is constant, as published.
        clip_norm: gradients longer than this, all together, are shortened to it; None: never.

    Raises:
        UserError: optimizer or scheduler do not take the arguments that they were given, or
            gradients would be shortened to less than nothing.
    """

    def __init__(
        self,
        optimizer: MakeOptimizer | None = None,
        scheduler: MakeScheduler | None = None,
        clip_norm: float | None = None,
    ) -> None:
        self.optimizer: MakeOptimizer = optimizer or partial(Adam, lr=1e-4)
        self.scheduler = scheduler
        if clip_norm is not None and not clip_norm > 0:  # below 0 it would climb
            raise UserError(f"clip_norm={clip_norm} must be more than 0, or null.")
        self.clip_norm = clip_norm
        self._takes_total = False
        _parameters("optimizer", self.optimizer)
        if scheduler is not None:
            self._takes_total = "total_updates" in _parameters("scheduler", scheduler)

    def configured(self, parameters: Iterable[nn.Parameter], total: float) -> dict[str, Any]:
        """What Lightning's `configure_optimizers` returns of one network.

        Args:
            parameters: those that learn are optimized.
            total: updates of the network in this run, infinite where only the clock ends it.
        """
        try:
            optimizer = self.optimizer([p for p in parameters if p.requires_grad])
        except (IndexError, TypeError, ValueError) as error:  # a rate below 0, one beta
            make = getattr(self.optimizer, "func", self.optimizer)
            given = getattr(self.optimizer, "keywords", {})
            values = ", ".join(f"{name}={value}" for name, value in given.items())
            raise UserError(
                f"system.optimizer: {make.__qualname__} refuses {values} ({error}); its "
                f"signature is {make.__qualname__}{inspect.signature(make)}."
            ) from error
        if self.scheduler is None:
            return {"optimizer": optimizer}
        more = {"total_updates": total} if self._takes_total else {}
        schedule = self.scheduler(optimizer, **more)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def clip(self, parameters: Iterable[nn.Parameter]) -> torch.Tensor:
        """Shorten all gradients together to `clip_norm`; returns the length that they had."""
        trained = [p for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
        if self.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(trained, self.clip_norm, norm)
        return norm


def _parameters(role: str, make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What it still takes.

    Raises:
        UserError: it was given what it does not take.
    """
    try:
        return inspect.signature(make).parameters
    except ValueError as error:
        kind = getattr(make, "func", make)
        given = ", ".join(getattr(make, "keywords", ()))
        raise UserError(
            f"system.{role}: {kind.__module__}.{kind.__qualname__} takes "
            f"{', '.join(inspect.signature(kind).parameters)}, and was given {given}."
        ) from error


def warmup_cosine(
    optimizer: Optimizer, total_updates: float, *, warmup_updates: Whole = 0, cosine: bool = True
) -> LambdaLR:
    """A linear warm-up, and a decay to 0 over the whole run.

    Args:
        optimizer: whose rate.
        total_updates: of the network in this run, infinite where only the clock ends it.
        warmup_updates: in a short run a fifth of its updates at most, which is said.
        cosine: whether the rate decays.

    Raises:
        UserError: it decays over a run without an end.
    """
    total_updates = max(1.0, total_updates)  # a network may begin after the run's end
    if cosine and not math.isfinite(total_updates):
        raise UserError("The rate decays over the whole run, so name its length: max_updates=….")
    warmup = int(min(warmup_updates, WARMUP_SHARE * total_updates))
    if warmup < warmup_updates:
        rank_zero_info(
            f"warm-up: {warmup} updates in place of {warmup_updates}, "
            f"a fifth of the {total_updates:.0f} that there are"
        )

    def factor(update: int) -> float:
        warm = min(1.0, (update + 1) / (warmup + 1))
        if not cosine:
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, update / total_updates)))

    return LambdaLR(optimizer, factor)


def total_updates(trainer: pl.Trainer, optimizers: int = 1) -> float:
    """Updates until a run's budget ends, in updates or epochs; infinite where only time ends it.

    Lightning's own estimate takes the smaller of the steps of all optimizers and the batches.

    Args:
        trainer: attached to its data.
        optimizers: steps that Lightning counts per update.
    """
    total = math.inf if trainer.max_steps == -1 else trainer.max_steps / optimizers
    if trainer.max_epochs in {None, -1}:
        return total
    trainer.fit_loop.setup_data()
    per_epoch = trainer.num_training_batches / trainer.accumulate_grad_batches
    if math.isfinite(per_epoch):
        per_epoch = max(1, math.ceil(per_epoch))
    return min(total, per_epoch * trainer.max_epochs)
