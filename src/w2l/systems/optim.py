"""Optimizers and schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from w2l.errors import UserError


@dataclass
class OptimizerSettings:
    """Adam (AdamW where weights decay), with an optional warm-up and cosine decay.

    Attributes:
        learning_rate: 1e-4 is published.
        betas: (0.9, 0.999); with the GAN (0.5, 0.999) is published.
        weight_decay: 0 is published.
        warmup_updates: updates of linear warm-up.
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

        Raises:
            UserError: it decays over a run without an end.
        """
        if not self.warmup_updates and not self.cosine:
            return None
        if self.cosine and not math.isfinite(total_updates):
            raise UserError(
                "The rate decays over the whole run, so name its length: max_updates=…."
            )

        def factor(update: int) -> float:
            warm = min(1.0, (update + 1) / (self.warmup_updates + 1))
            if not self.cosine:
                return warm
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, update / total_updates)))

        return LambdaLR(optimizer, factor)


def clip(parameters: Iterable[nn.Parameter], max_norm: float | None) -> torch.Tensor:
    """Shorten all gradients together to `max_norm`; returns the length that they had."""
    trained = [p for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
    if max_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(trained, max_norm, norm)
    return norm
