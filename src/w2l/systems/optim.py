"""Optimizers and schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from w2l.errors import UserError

WARMUP_SHARE = 0.2  # of all updates, at most


@dataclass
class OptimizerSettings:
    """Adam (AdamW where weights decay), with an optional warm-up and cosine decay.

    Attributes:
        learning_rate: 1e-4 is published.
        betas: (0.9, 0.999); with the GAN (0.5, 0.999) is published.
        weight_decay: 0 is published.
        warmup_updates: updates of linear warm-up; in a short run a fifth of its updates, which is
            said.
        cosine: decay to 0 over the whole run.
        clip_norm: gradients longer than this, all together, are shortened to it; None: never.
        fused: the optimizer's step in one kernel.
    """

    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warmup_updates: int = 0
    cosine: bool = False
    clip_norm: float | None = None
    fused: bool = False

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        trained = [p for p in parameters if p.requires_grad]
        betas = (float(self.betas[0]), float(self.betas[1]))
        fused = self.fused or None  # None: torch chooses among the others
        if self.weight_decay:
            return AdamW(
                trained, self.learning_rate, betas, weight_decay=self.weight_decay, fused=fused
            )
        return Adam(trained, self.learning_rate, betas, fused=fused)

    def schedule(self, optimizer: Optimizer, total_updates: float) -> LambdaLR | None:
        """The schedule over `total_updates`, or None where the rate is constant.

        Args:
            optimizer: whose rate.
            total_updates: of the network in this run, infinite where only the clock ends it.

        Raises:
            UserError: it decays over a run without an end.
        """
        if not self.warmup_updates and not self.cosine:
            return None
        total_updates = max(1.0, total_updates)  # a network may begin after the run's end
        if self.cosine and not math.isfinite(total_updates):
            raise UserError(
                "The rate decays over the whole run, so name its length: max_updates=…."
            )
        warmup = int(min(self.warmup_updates, WARMUP_SHARE * total_updates))
        if warmup < self.warmup_updates:
            rank_zero_info(
                f"warm-up: {warmup} updates in place of {self.warmup_updates}, "
                f"a fifth of the {total_updates:.0f} that there are"
            )

        def factor(update: int) -> float:
            warm = min(1.0, (update + 1) / (warmup + 1))
            if not self.cosine:
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


def clip(parameters: Iterable[nn.Parameter], max_norm: float | None) -> torch.Tensor:
    """Shorten all gradients together to `max_norm`; returns the length that they had."""
    trained = [p for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
    if max_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(trained, max_norm, norm)
    return norm
