"""Wav2Lip with a visual quality discriminator: one more network and its step, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from w2l.bounds import Count, NotNegative, Share
from w2l.checkpoints import describe, load_discriminator
from w2l.components import Discriminator
from w2l.data.batches import LipBatch
from w2l.losses import CrossEntropyGan, GanLoss, feature_matching, gradient_penalty
from w2l.systems.optim import Learner, MakeOptimizer, MakeScheduler, total_updates
from w2l.systems.wav2lip import Wav2LipSystem


class Wav2LipGANSystem(Wav2LipSystem):
    """(1 − w − a)·L1 + w·sync + a·adversarial, and the discriminator's own step after it.

    With two optimizers Lightning's `global_step` advances twice per batch; budgets are therefore
    counted in updates (`optimizers_per_update`), and `train/updates` is logged.

    Args:
        discriminator: tells real from generated frames (`w2l.components.Discriminator`).
        adversarial_weight: 0.07 is published.
        gan_loss: what both are told by the discriminator's logits; the published cross-entropy.
        discriminator_optimizer, discriminator_scheduler: its own; by default the generator's.
        discriminator_from: update at which the discriminator begins to learn; published: 0.
        adversarial_from: update at which the generator begins to listen to it; published: 0.
        r1_weight: of the gradient penalty on real images (γ/2 in its source); published: 0.
        r1_every: updates from one penalty to the next, each counting for as many.
        feature_weight: of the L1 between the discriminator's maps; published: 0.
        **wav2lip: see `Wav2LipSystem`.
    """

    optimizers_per_update = 2
    watched: ClassVar[dict[str, float | None]] = {
        **Wav2LipSystem.watched, "train/discriminator_accuracy": 0.5,
    }  # fmt: skip
    on_bar: ClassVar = {
        "train/loss_l1": "L1", "train/loss_sync": "sync",
        "train/discriminator_accuracy": "discriminator",
    }  # fmt: skip

    def __init__(
        self,
        *,
        discriminator: Discriminator,
        adversarial_weight: Share = 0.07,
        gan_loss: GanLoss | None = None,
        discriminator_optimizer: MakeOptimizer | None = None,
        discriminator_scheduler: MakeScheduler | None = None,
        discriminator_from: int = 0,
        adversarial_from: int = 0,
        r1_weight: NotNegative = 0.0,
        r1_every: Count = 16,
        feature_weight: NotNegative = 0.0,
        **wav2lip: Any,
    ) -> None:
        super().__init__(**wav2lip)
        self.discriminator: Any = discriminator  # an nn.Module, too
        self.adversarial_weight = adversarial_weight
        self.gan_loss = gan_loss or CrossEntropyGan()
        self.discriminator_learner = self.learner
        if discriminator_optimizer is not None:
            self.discriminator_learner = Learner(
                discriminator_optimizer, discriminator_scheduler, self.learner.clip_norm
            )
        self.discriminator_from = discriminator_from
        self.adversarial_from = max(adversarial_from, discriminator_from)
        self.r1_weight, self.r1_every = r1_weight, r1_every
        self.feature_weight = feature_weight
        self.automatic_optimization = False

    @classmethod
    def networks_of(cls, file: str | Path, device: Any) -> dict[str, Any]:
        """See `Wav2LipSystem`."""
        judge = load_discriminator(file, device)
        return super().networks_of(file, device) | {"discriminator": judge}

    def on_fit_start(self) -> None:
        super().on_fit_start()
        last = self.trainer.max_steps // self.optimizers_per_update
        if self.trainer.max_steps != -1 and self.adversarial_from >= last:
            rank_zero_info(
                f"the adversarial loss never counts in this run of {last} updates: "
                f"system.adversarial_from={self.adversarial_from}"
            )

    @property
    def updates(self) -> int:
        """Updates of the generator so far."""
        return self.global_step // 2

    def weights(self) -> dict[str, float]:
        is_heard = self.updates >= self.adversarial_from
        a = self.adversarial_weight if is_heard else 0.0
        weights = super().weights() | {"adversarial": a}
        weights["l1"] -= a
        if self.feature_weight:
            weights["features"] = self.feature_weight if is_heard else 0.0
        return weights

    def losses(self, batch: LipBatch, generated: Tensor) -> dict[str, Tensor]:
        maps = self.discriminator.feature_maps(generated)
        verdict = self.discriminator.logits(maps)
        losses = super().losses(batch, generated)
        losses["adversarial"] = self.gan_loss.generator(verdict)
        if self.feature_weight:
            with torch.no_grad():
                real = self.discriminator.feature_maps(batch.target)
            losses["features"] = feature_matching(maps, real)
        return losses

    def training_step(self, batch: LipBatch, index: int) -> None:
        optimizer_g, optimizer_d = self.optimizers()  # type: ignore[attr-defined]

        self.toggle_optimizer(optimizer_g)
        generated = self(batch.mels, batch.masked_and_reference)
        losses = self.losses(batch, generated)
        total = self.weighted_sum(losses, self.weights())
        optimizer_g.zero_grad()
        self.manual_backward(total)
        norm = self.learner.clip(self.generator.parameters())
        optimizer_g.step()
        self.untoggle_optimizer(optimizer_g)

        # On the frames made before the step above.
        self.discriminator_step(optimizer_d, batch.target, generated.detach())

        self.log("optim/grad_norm", norm)
        self.log_losses("train", losses, len(batch.mel))
        self.log("train/loss", total.detach())
        self.log("train/sync_weight", self.sync_weight)
        self.log("train/updates", float(self.updates))

    def discriminator_step(self, optimizer: Any, target: Tensor, generated: Tensor) -> None:
        """The discriminator's update, and the schedules' step, which counts for both networks."""
        schedules = self.lr_schedulers() or []
        update = self.updates  # before this one, though the generator's step is done
        has_begun = update >= self.discriminator_from
        optimizer.zero_grad()
        if has_begun:
            self.toggle_optimizer(optimizer)
            self.judge(target, generated, penalise=update % self.r1_every == 0)
            self.discriminator_learner.clip(self.discriminator.parameters())
        # Without gradients a step changes nothing but is counted: two for each update.
        optimizer.step()
        if has_begun:
            self.untoggle_optimizer(optimizer)
        for schedule in schedules if isinstance(schedules, list) else [schedules]:
            if has_begun or schedule.optimizer is not optimizer.optimizer:
                schedule.step()  # type: ignore[call-arg]

    def judge(self, target: Tensor, generated: Tensor, *, penalise: bool) -> None:
        """Backward pass of the discriminator on real and generated frames (B, 3, T, S, S)."""
        penalise = penalise and self.r1_weight > 0
        if penalise:
            target = target.detach().requires_grad_()
        real = self.discriminator.logits(self.discriminator.feature_maps(target))
        fake = self.discriminator.logits(self.discriminator.feature_maps(generated))
        loss_real, loss_fake = self.gan_loss.discriminator(real, fake)
        loss = loss_real + loss_fake
        if penalise:
            penalty = gradient_penalty(real, target)
            loss = loss + self.r1_weight * self.r1_every * penalty
            self.log("train/r1", penalty.detach())
        self.manual_backward(loss)
        right = torch.cat([real > 0, fake <= 0]).float().mean()
        self.log("train/discriminator_accuracy", right, prog_bar=True)
        verdicts = {"discriminator_real": loss_real, "discriminator_fake": loss_fake}
        self.log_losses("train", verdicts, len(target))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["w2l"]["discriminator"] = describe(self.discriminator)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Logged and clipped in the step itself."""

    def configure_optimizers(self) -> Any:
        total = total_updates(self.trainer, self.optimizers_per_update)
        judged = self.discriminator.parameters()
        return [
            self.learner.configured(self.generator.parameters(), total),
            self.discriminator_learner.configured(judged, total - self.discriminator_from),
        ]
