"""Training the lip-sync expert."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from w2l.checkpoints import describe, load_expert, read
from w2l.data.batches import SyncBatch
from w2l.errors import UserError
from w2l.losses import CrossEntropySync, within_groups
from w2l.models import Expert
from w2l.systems.optim import Learner, MakeOptimizer, MakeScheduler, total_updates


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
    with torch.autocast(face.device.type, enabled=False):  # or the product would be bfloat16
        lips, sounds = (F.normalize(x.detach().float(), dim=1) for x in (face, audio))
        cosines = lips @ sounds.T
    labels = batch.in_sync.flatten().bool()
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    within = (batch.group[:, None] == batch.group) & ~own & labels & labels[:, None]
    return cosines, own & labels, (own & ~labels) | within


class Judged(NamedTuple):
    """Sums over the windows of a validation; scalars, which add up over processes.

    `val/accuracy` is the share of `found` where windows were drawn together, else of `told`.

    Attributes:
        loss, windows: the objective's, counted for each window; and how many.
        found, sought: windows whose own sound is the likest of their draw's; of those that are in
            sync and have others to be told from.
        told, labelled: windows whose cosine lies on the label's side of 0.5; of all.
        in_sync, n_in_sync: cosines of windows with their own sound.
        off_sync, n_off_sync: of windows with another one.
    """

    loss: Tensor
    windows: Tensor
    found: Tensor
    sought: Tensor
    told: Tensor
    labelled: Tensor
    in_sync: Tensor
    n_in_sync: Tensor
    off_sync: Tensor
    n_off_sync: Tensor


def judged(loss: Tensor, audio: Tensor, face: Tensor, batch: SyncBatch) -> Judged:
    """What one batch adds to a validation."""
    cosines, in_sync, off_sync = similarities(audio, face, batch)
    labels = batch.in_sync.flatten().bool()
    drawn = within_groups(cosines.T, batch.group).argmax(dim=1)  # by sound: the likest lips
    sought = labels & ((batch.group[:, None] == batch.group).sum(dim=1) > 1)
    own = torch.arange(len(labels), device=labels.device)
    told = (cosines.diagonal() > 0.5) == labels
    size = torch.tensor(len(labels), device=labels.device)
    sums = [
        *(loss.detach() * size, size),
        *((drawn == own)[sought].sum(), sought.sum()),
        *(told.sum(), size),
        *(cosines[in_sync].sum(), in_sync.sum()),
        *(cosines[off_sync].sum(), off_sync.sum()),
    ]
    return Judged(*(value.float() for value in sums))


class ExpertSystem(pl.LightningModule):
    """The expert and how it learns. Logs `train/loss`, `val/loss`, `val/accuracy`, cosines.

    After each update `learned` says how far it is.

    Args:
        expert: the network.
        objective: (audio, face, batch) → loss; `CrossEntropySync` is published.
        optimizer, scheduler, clip_norm: see `w2l.systems.Learner`.
        channels_last: memory format that is faster for convolutions on CPUs with bf16 and GPUs.
    """

    optimizers_per_update = 1
    meanings: ClassVar = {"val/loss": "the objective, as it is trained on"}
    # What a run tells of itself, with what guessing gives where that is known; and on its bar.
    watched: ClassVar[dict[str, float | None]] = {
        "train/loss": None, "train/loss_over_chance": 1.0,
        "val/loss": None, "val/accuracy": None, "val/pair_accuracy": 0.5,
    }  # fmt: skip
    on_bar: ClassVar = {"train/loss_over_chance": "loss/chance", "val/pair_accuracy": "pairs"}

    def __init__(
        self,
        expert: Expert,
        objective: nn.Module | None = None,
        *,
        optimizer: MakeOptimizer | None = None,
        scheduler: MakeScheduler | None = None,
        clip_norm: float | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.expert = expert
        if channels_last:
            self.expert.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = objective or CrossEntropySync()
        self.learner = Learner(optimizer, scheduler, clip_norm)
        self.speakers: int | None = None  # that it is trained on; goes into the checkpoint

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, map_location: Any = "cpu", **arguments: Any
    ) -> ExpertSystem:
        """Lightning's: the system with the network that a checkpoint holds.

        Args:
            checkpoint_path: the file.
            map_location: device.
            arguments: the constructor's others.

        Raises:
            UserError: the file holds no expert.
        """
        system = cls(load_expert(checkpoint_path, map_location), **arguments)
        system.speakers = read(checkpoint_path, "expert").speakers
        return system

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

    def on_validation_epoch_start(self) -> None:
        self._judged: list[Judged] = []

    def validation_step(self, batch: SyncBatch, _: int) -> None:
        audio, face = self(batch.mel, batch.frames)
        self._judged.append(judged(self.objective(audio, face, batch), audio, face, batch))

    def on_validation_epoch_end(self) -> None:
        """Log what all windows of all processes come to: the same in all of them."""
        own = torch.stack([torch.stack(list(batch)) for batch in self._judged]).sum(dim=0)
        sums = Judged(*self.trainer.strategy.reduce(own, reduce_op="sum"))
        shares = {
            "val/loss": (sums.loss, sums.windows),
            "val/accuracy": (sums.found, sums.sought)
            if sums.sought
            else (sums.told, sums.labelled),
            "val/cosine_in_sync": (sums.in_sync, sums.n_in_sync),
            "val/cosine_off_sync": (sums.off_sync, sums.n_off_sync),
        }
        # Reduced once more, or Lightning warns; the mean of equal values is that value.
        self.log_dict({name: x / n for name, (x, n) in shares.items() if n}, sync_dist=True)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        self.log("optim/grad_norm", self.learner.clip(self.parameters()))
        self.log("optim/lr", optimizer.param_groups[0]["lr"])

    def configure_optimizers(self) -> Any:
        return self.learner.configured(self.parameters(), total_updates(self.trainer))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["w2l"] = {
            "network": "expert",
            **describe(self.expert),
            "speakers": self.speakers,
        }
