"""Training the lip-sync expert."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from w2l.data.batches import SyncBatch
from w2l.errors import UserError
from w2l.losses import CrossEntropySync, within_groups
from w2l.models import Expert
from w2l.systems.optim import OptimizerSettings, clip


class Learned(NamedTuple):
    """What the last training batch says of how far the expert is, detached.

    Attributes:
        loss_over_chance: the loss, as a share of what guessing costs.
        gap: mean cosine of lips and sound that belong together minus that of others; NaN where a
            batch holds only one of the two.
    """

    loss_over_chance: Tensor
    gap: Tensor


def similarities(audio: Tensor, face: Tensor, batch: SyncBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines of all windows with all sounds, (B, B), and which of them count.

    Returns:
        Cosines; those that are in sync: windows with their own sound; and those that are not:
        windows with wrong sound, and with the sound of others of the same draw.
    """
    cosines = torch.mm(face.detach().float(), audio.detach().float().T)
    labels = batch.in_sync.flatten().bool()
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    within = (batch.group[:, None] == batch.group) & ~own & labels & labels[:, None]
    return cosines, own & labels, (own & ~labels) | within


class ExpertSystem(pl.LightningModule):
    """The expert and how it learns. Logs `train/loss`, `val/loss`, `val/accuracy`, cosines.

    After each update `learned` says how far it is.

    Args:
        expert: the network.
        objective: (audio, face, batch) → loss; `CrossEntropySync` is published.
        optimizer: rates and schedule.
        channels_last: memory format that is faster for convolutions on CPUs with bf16 and GPUs.
    """

    optimizers_per_update = 1

    def __init__(
        self,
        expert: Expert,
        objective: nn.Module | None = None,
        optimizer: OptimizerSettings | None = None,
        *,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.expert = expert
        if channels_last:
            self.expert.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = objective or CrossEntropySync()
        self.settings = optimizer or OptimizerSettings()
        self.speakers: int | None = None  # that it is trained on; goes into the checkpoint

    def on_fit_start(self) -> None:
        self.train()  # Lightning keeps the modes that the networks came in

    def forward(self, audio: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        return self.expert(audio, face)

    def training_step(self, batch: SyncBatch, _: int) -> Tensor:
        if len(batch.mel) < 2:
            raise UserError(
                "An expert cannot learn from one window at a time: add clips to train.txt, raise "
                "data.batch_size, or draw each clip more often with data.repeats=64."
            )
        audio, face = self(batch.mel, batch.frames)
        loss = self.objective(audio, face, batch)
        size = len(audio)
        self.log("train/loss", loss, prog_bar=True, batch_size=size)
        # Sums in place of selections, whose size the processor would have to wait for.
        cosines, *masks = similarities(audio, face, batch)
        in_sync, off_sync = ((cosines * mask).sum() / mask.sum() for mask in masks)
        over_chance = loss.detach() / self.objective.chance(batch)  # type: ignore[operator]
        self.learned = Learned(over_chance, in_sync - off_sync)
        self.log("train/loss_over_chance", over_chance, batch_size=size)
        return loss

    def validation_step(self, batch: SyncBatch, _: int) -> None:
        audio, face = self(batch.mel, batch.frames)
        size = len(audio)
        log = {"val/loss": self.objective(audio, face, batch)}
        cosines, *masks = similarities(audio, face, batch)
        if bool(batch.in_sync.bool().all()):  # contrastive: which of its draw's fits a window?
            pairs = within_groups(cosines.T, batch.group)
            own = torch.arange(size, device=pairs.device)
            log["val/accuracy"] = (pairs.argmax(1) == own).float().mean()
        else:
            said = cosines.diagonal() > 0.5
            log["val/accuracy"] = (said == batch.in_sync.flatten().bool()).float().mean()
        for name, mask in zip(("in_sync", "off_sync"), masks, strict=True):
            if bool(mask.any()):
                log[f"val/cosine_{name}"] = cosines[mask].mean()
        self.log_dict(log, batch_size=size, sync_dist=True)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        self.log("optim/grad_norm", clip(self.parameters(), self.settings.clip_norm))
        self.log("optim/lr", optimizer.param_groups[0]["lr"])

    def configure_optimizers(self) -> Any:
        optimizer = self.settings.optimizer(self.parameters())
        schedule = self.settings.schedule(optimizer, self.trainer.estimated_stepping_batches)
        if schedule is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["w2l"] = {
            "network": "expert",
            "config": self.expert.config,
            "speakers": self.speakers,
        }
