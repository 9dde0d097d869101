"""Training the Wav2Lip generator against a frozen expert."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from w2l.checkpoints import describe, load_generator, read
from w2l.components import LossTerm
from w2l.data.batches import LipBatch, grey, jittered, stack_frames
from w2l.data.clips import PADS
from w2l.errors import UserError
from w2l.losses import sync_cross_entropy
from w2l.models import Expert, Generator
from w2l.models.blocks import fold_time, unfold_time
from w2l.systems.optim import Learner, MakeOptimizer, MakeScheduler, total_updates


class TeacherLoss(nn.Module):
    """Mean absolute difference from what a frozen generator makes of the same input.

    A term of a generator's loss (`w2l.components.LossTerm`). Frames of a teacher are easier to
    learn than real ones: what cannot be told from speech and reference is not in them.

    Args:
        teacher: makes faces of the student's size, (T·B, 3, S, S) in [0, 1].
        image_size, lead_frames: of the student.
        weight: of the term.

    Raises:
        UserError: the teacher's faces are of another size, or hear other windows.
    """

    def __init__(
        self, teacher: Generator, image_size: int, lead_frames: int, weight: float = 1.0
    ) -> None:
        super().__init__()
        for name, wanted in (("image_size", image_size), ("lead_frames", lead_frames)):
            if (has := teacher.config[name]) != wanted:
                key = "model.image_size" if name == "image_size" else name
                raise UserError(f"The teacher's {name} is {has}, the student's {wanted}: set "
                                f"{key}={has}, or name another teacher=.")  # fmt: skip
        self.teacher = teacher
        self.weight = weight

    def forward(self, batch: LipBatch, generated: Tensor) -> Tensor:
        """The loss of generated frames (B, 3, T, S, S)."""
        with torch.no_grad():
            wanted = generate(self.teacher, batch.mels, batch.masked_and_reference)
        return F.l1_loss(generated, wanted.to(generated.dtype))


RESERVED = {"l1", "sync", "adversarial", "features"}  # names of losses


def generate(generator: Callable[[Tensor, Tensor], Tensor], audio: Tensor, face: Tensor) -> Tensor:
    """Frames (B, 3, T, S, S) of windows (B, T, 1, 80, 16) and faces (B, 6, T, S, S).

    The generator sees no time: (T·B, …).
    """
    frames = generator(audio.transpose(0, 1).flatten(0, 1), fold_time(face))
    return unfold_time(frames, face.shape[0])


class Wav2LipSystem(pl.LightningModule):
    """The generator, the frozen expert, and (1 − w)·L1 + w·sync, plus any terms of one's own.

    `sync_weight` starts at 0 and is switched on by the `SyncGate` callback, which keeps it in the
    checkpoint. The expert is not saved with it. `val/loss` has weights that stay the same along the
    run (`score_weights`), so that it can be compared.

    Args:
        generator: the network that learns.
        expert: the frozen judge.
        sync_loss: (audio, face embeddings) → loss; the cross-entropy is published.
        optimizer, scheduler, clip_norm: see `w2l.systems.Learner`.
        expert_batchnorm: "eval" uses the expert's own statistics; "batch" those of each batch,
            as the release does because it never puts the expert in evaluation mode. Its own are
            kept either way: reports judge by them.
        sync_in_grey: the expert sees what is generated without its colours, which are L1's alone:
            one that learned from few people rewards painted lips.
        sync_jitter: pixels by which what the expert sees of a training batch is moved, at random,
            half of the batches mirrored and half blurred: what fools it only in one place, as
            painted spots do, is then no way to please it.
        losses: name → term (`w2l.components.LossTerm`), such as `w2l.losses.ImageLoss`; the
            weights of L1 and sync stay what they are. Networks in them are frozen and not saved.
        channels_last: memory format that is faster for convolutions on CPUs with bf16 and GPUs.
    """

    optimizers_per_update = 1
    # What a run tells of itself, with what guessing gives where that is known; and on its bar.
    watched: ClassVar[dict[str, float | None]] = {
        "train/loss": None, "train/loss_l1": None, "train/loss_sync": None,
        "val/loss": None, "val/loss_l1": None, "val/loss_sync": None,
        "val/dubbed_cosine": None, "val/given_cosine": None, "val/lse_d": None,
    }  # fmt: skip
    on_bar: ClassVar = {
        "train/loss_l1": "L1", "train/loss_sync": "sync", "val/dubbed_cosine": "dubbed",
    }  # fmt: skip

    def __init__(
        self,
        generator: Generator,
        expert: Expert,
        sync_loss: Callable[[Tensor, Tensor], Tensor] = sync_cross_entropy,
        optimizer: MakeOptimizer | None = None,
        scheduler: MakeScheduler | None = None,
        clip_norm: float | None = None,
        *,
        expert_batchnorm: Literal["eval", "batch"] = "eval",
        sync_in_grey: bool = False,
        sync_jitter: int = 0,
        losses: Mapping[str, LossTerm] | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        if expert_batchnorm not in {"eval", "batch"}:
            raise ValueError(f"expert_batchnorm must be eval or batch, not {expert_batchnorm!r}")
        if missing := {"image_size", "lead_frames"} - set(getattr(generator, "config", ())):
            raise UserError(
                f"The generator, a {type(generator).__name__}, states no "
                f"{' and no '.join(sorted(missing))} in its .config (docs/extending.md)."
            )
        shown, made = expert.config["image_size"], generator.config["image_size"]
        if shown > made:
            raise UserError(
                f"The expert is one for faces of {shown} px, and the generator makes {made} px: "
                f"set model.image_size={shown}, or name an expert of {made} px or less with "
                "expert=…."
            )
        self.generator = generator
        self.expert = expert.requires_grad_(False)
        self.sync_loss = sync_loss
        self.learner = Learner(optimizer, scheduler, clip_norm)
        self.expert_batchnorm, self.sync_in_grey = expert_batchnorm, sync_in_grey
        self.sync_jitter = sync_jitter
        if expert_batchnorm == "batch":
            for module in self.expert.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = 0.0  # what it learned of real lips is not overwritten
        self.terms = dict(losses or {})
        if taken := self.terms.keys() & RESERVED:
            raise ValueError(f"losses.{min(taken)} has the name of a loss that is there: rename it")
        networks = {name: term for name, term in self.terms.items() if isinstance(term, nn.Module)}
        self.term_networks = nn.ModuleDict(networks).requires_grad_(False)
        self.sync_weight = 0.0
        self.full_sync_weight: float | None = None  # that the gate will open to
        self.speakers: int | None = None  # that it is trained on; goes into the checkpoint
        self.strict_loading = False  # frozen networks are not in the checkpoint
        if channels_last:
            self.to(memory_format=torch.channels_last)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, map_location: Any = "cpu", **arguments: Any
    ) -> Wav2LipSystem:
        """Lightning's: the system with the networks that a checkpoint holds.

        Args:
            checkpoint_path: the file.
            map_location: device.
            arguments: the constructor's others; `expert` is one, which no checkpoint holds.

        Raises:
            UserError: the file holds no generator.
        """
        networks = cls.networks_of(checkpoint_path, map_location)
        system = cls(**networks, **arguments)
        system.speakers = read(checkpoint_path, "generator").speakers
        return system

    @classmethod
    def networks_of(cls, file: str | Path, device: Any) -> dict[str, Any]:
        """The networks of a checkpoint, by the names of the constructor's arguments."""
        return {"generator": load_generator(file, device)}

    def on_fit_start(self) -> None:
        self.train()  # Lightning keeps the modes that the networks came in

    def train(self, mode: bool = True) -> Wav2LipSystem:
        super().train(mode)
        self.expert.train(self.expert_batchnorm == "batch")
        self.term_networks.eval()
        return self

    def forward(self, audio: Tensor, face: Tensor) -> Tensor:
        """As `generate`."""
        return generate(self.generator, audio, face)

    def weights(self) -> dict[str, float]:
        """Weight of each named loss; what has weight 0 is reported only."""
        return {"l1": 1 - self.sync_weight, "sync": self.sync_weight, **self.term_weights()}

    def term_weights(self) -> dict[str, float]:
        """Those of the terms of one's own, which stay the same."""
        return {name: term.weight for name, term in self.terms.items()}

    def score_weights(self) -> dict[str, float]:
        """Weights of `val/loss`: those of an open gate, from the first validation on.

        What a discriminator says has none, for it changes as the discriminator learns.
        """
        w = self.sync_weight if self.full_sync_weight is None else self.full_sync_weight
        return {"l1": 1 - w, "sync": w, **self.term_weights()}

    @property
    def meanings(self) -> dict[str, str]:
        """What a logged value is, where its name does not say it."""
        terms = (f"{weight:g} {name}" for name, weight in self.score_weights().items())
        return {"val/loss": f"{' + '.join(terms)}, the same weights along the whole run"}

    def losses(self, batch: LipBatch, generated: Tensor) -> dict[str, Tensor]:
        """Named losses of generated frames (B, 3, T, S, S)."""
        generated = generated if generated.dtype == torch.float64 else generated.float()
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.weights()["sync"] > 0):
            seen = stack_frames(generated, int(self.expert.config["image_size"]))
            seen = grey(seen) if self.sync_in_grey else seen
            if self.sync_jitter and self.training:
                seen = jittered(seen, self.sync_jitter)
            audio, face = self.expert(batch.mel, seen)
            sync = self.sync_loss(audio, face)
        terms = {name: term(batch, generated) for name, term in self.terms.items()}
        return {"l1": F.l1_loss(generated, batch.target), "sync": sync, **terms}

    @staticmethod
    def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
        """One number; losses without a weight play no part in it."""
        return torch.stack([losses[k] * weight for k, weight in weights.items() if weight]).sum()

    def log_losses(self, stage: str, losses: Mapping[str, Tensor], size: int) -> None:
        logged = {f"{stage}/loss_{name}": value.detach() for name, value in losses.items()}
        self.log_dict(logged, batch_size=size, sync_dist=stage == "val", prog_bar=True)

    def training_step(self, batch: LipBatch, _: int) -> Tensor | None:
        generated = self(batch.mels, batch.masked_and_reference)
        losses = self.losses(batch, generated)
        total = self.weighted_sum(losses, self.weights())
        self.log_losses("train", {**losses}, len(batch.mel))
        self.log("train/loss", total.detach())
        self.log("train/sync_weight", self.sync_weight)
        return total

    def validation_step(self, batch: LipBatch, _: int) -> None:
        generated = self(batch.mels, batch.masked_and_reference)
        losses = self.losses(batch, generated)
        self.log_losses("val", losses, len(batch.mel))
        score = self.weighted_sum(losses, self.score_weights())
        self.log("val/loss", score, batch_size=len(batch.mel), sync_dist=True)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        norm = self.learner.clip(self.generator.parameters())
        self.log("optim/grad_norm", norm)
        self.log("optim/lr", optimizer.param_groups[0]["lr"])

    def configure_optimizers(self) -> Any:
        total = total_updates(self.trainer, self.optimizers_per_update)
        return self.learner.configured(self.generator.parameters(), total)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = checkpoint["state_dict"]
        frozen = ("expert.", "term_networks.")
        checkpoint["state_dict"] = {k: v for k, v in state.items() if not k.startswith(frozen)}
        checkpoint["w2l"] = {
            "network": "generator",
            **describe(self.generator),
            "pads": list(PADS),
            "speakers": self.speakers,
        }
