"""Training the lip-sync expert."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from w2l.data.batches import SyncBatch
from w2l.losses import CrossEntropySync, cosine, within_groups
from w2l.models import Expert
from w2l.systems.optim import OptimizerSettings, clip


class ExpertSystem(pl.LightningModule):
    """The expert and how it learns. Logs `train/loss`, `val/loss`, `val/accuracy`, cosines.

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

    def on_fit_start(self) -> None:
        self.train()  # Lightning keeps the modes that the networks came in

    def forward(self, audio: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        return self.expert(audio, face)

    def training_step(self, batch: SyncBatch, _: int) -> Tensor:
        audio, face = self(batch.mel, batch.frames)
        loss = self.objective(audio, face, batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(audio))
        return loss

    def validation_step(self, batch: SyncBatch, _: int) -> None:
        audio, face = self(batch.mel, batch.frames)
        size = len(audio)
        log = {"val/loss": self.objective(audio, face, batch)}
        similarity, in_sync = cosine(audio, face), batch.in_sync.bool()
        if bool(in_sync.all()):  # contrastive batches bring their negatives as other windows
            pairs = within_groups(audio.float() @ face.float().T, batch.group)
            own = torch.arange(size, device=pairs.device)
            log["val/accuracy"] = (pairs.argmax(1) == own).float().mean()
            log["val/cosine_in_sync"] = similarity.mean()
            others = pairs.fill_diagonal_(-torch.inf)
            if bool(others.isfinite().any()):
                log["val/cosine_off_sync"] = others[others.isfinite()].mean()
        else:
            log["val/accuracy"] = ((similarity > 0.5) == in_sync).float().mean()
            for name, chosen in {"in_sync": in_sync, "off_sync": ~in_sync}.items():
                if bool(chosen.any()):
                    log[f"val/cosine_{name}"] = similarity[chosen].mean()
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
        checkpoint["w2l"] = {"network": "expert", "config": self.expert.config}
