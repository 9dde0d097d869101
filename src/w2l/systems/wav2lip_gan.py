"""Wav2Lip with a visual quality discriminator: one more network and its step, nothing else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from w2l.data.batches import LipBatch
from w2l.losses import cross_entropy
from w2l.models import QualityDiscriminator
from w2l.systems.optim import gradient_norm
from w2l.systems.wav2lip import Wav2LipSystem


class Wav2LipGANSystem(Wav2LipSystem):
    """(1 − w − a)·L1 + w·sync + a·adversarial, and the discriminator's own step after it.

    With two optimizers Lightning's `global_step` advances twice per batch; budgets are therefore
    counted in updates (`optimizers_per_update`), and `train/updates` is logged.

    Args:
        discriminator: judges lower halves.
        adversarial_weight: 0.07 is published.
        **wav2lip: see `Wav2LipSystem`.
    """

    optimizers_per_update = 2

    def __init__(
        self,
        *,
        discriminator: QualityDiscriminator,
        adversarial_weight: float = 0.07,
        **wav2lip: Any,
    ) -> None:
        super().__init__(**wav2lip)
        self.discriminator = discriminator
        self.adversarial_weight = adversarial_weight
        self.automatic_optimization = False

    def weights(self) -> dict[str, float]:
        a, w = self.adversarial_weight, self.sync_weight
        return {"l1": 1 - w - a, "sync": w, "adversarial": a}

    def losses(self, batch: LipBatch, generated: Tensor) -> dict[str, Tensor]:
        verdict = self.discriminator(generated)
        return {
            **super().losses(batch, generated),
            "adversarial": cross_entropy(verdict, torch.ones_like(verdict)),
        }

    def training_step(self, batch: LipBatch, index: int) -> None:
        optimizer_g, optimizer_d = self.optimizers()  # type: ignore[attr-defined]

        self.toggle_optimizer(optimizer_g)
        generated = self(batch.mels, batch.masked_and_reference)
        losses = self.losses(batch, generated)
        total = self.weighted_sum(losses)
        optimizer_g.zero_grad()
        self.manual_backward(total)
        self.log("optim/grad_norm", gradient_norm(self.generator.parameters()))
        optimizer_g.step()
        self.untoggle_optimizer(optimizer_g)

        self.toggle_optimizer(optimizer_d)
        real = self.discriminator(batch.target)
        fake = self.discriminator(generated.detach())  # the frames made before the step above
        loss_real = cross_entropy(real, torch.ones_like(real))
        loss_fake = cross_entropy(fake, torch.zeros_like(fake))
        optimizer_d.zero_grad()
        self.manual_backward(loss_real + loss_fake)
        optimizer_d.step()
        self.untoggle_optimizer(optimizer_d)

        for schedule in self.lr_schedulers() or []:  # type: ignore[union-attr]
            schedule.step()
        verdicts = {"discriminator_real": loss_real, "discriminator_fake": loss_fake}
        self.log_losses("train", {**losses, **verdicts}, len(batch.mel))
        self.log("train/loss", total.detach())
        self.log("train/sync_weight", self.sync_weight)
        self.log("train/updates", float(self.global_step // 2))

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Logged in the step itself, for the generator only."""

    def configure_optimizers(self) -> Any:
        return [self.configured(self.generator), self.configured(self.discriminator)]
