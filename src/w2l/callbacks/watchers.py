"""What watches a training, and says why a network does not learn and what to do."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from w2l.audio.mel import SILENCE
from w2l.bounds import Count
from w2l.callbacks.loggers import Dashboard
from w2l.callbacks.sync_gate import updates
from w2l.data import clips_of
from w2l.data.batches import LipBatch, SyncBatch, stack_frames
from w2l.data.clips import AnyClip
from w2l.errors import UserError, either
from w2l.files import atomic_path


class CollapseWatcher(pl.Callback):
    """Warns when the discriminator is always or never right, or when L1 rises; names a way back.

    Args:
        checkpoints: folder in which the run's checkpoints are.
        window: updates over which accuracy and L1 are averaged.
        low, high: accuracies of the discriminator beyond which it teaches nothing.
        rise: L1 over its lowest average, as a factor, from which on it counts as rising.
    """

    def __init__(
        self,
        checkpoints: str | Path,
        window: Count = 500,
        low: float = 0.05,
        high: float = 0.95,
        rise: float = 1.3,
    ) -> None:
        self.checkpoints, self.window = Path(checkpoints), window
        self.low, self.high, self.rise = low, high, rise
        self._sums: Tensor | list[float] = [0.0, 0.0]  # on the losses' device, see StallWatcher
        self._n = 0
        self._lowest_l1 = float("inf")
        self.good_until = 0  # update at which all was last well
        self.warnings: list[str] = []

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        logged = trainer.callback_metrics
        if "train/discriminator_accuracy" not in logged:
            return  # it has not begun
        values = torch.stack([logged["train/discriminator_accuracy"], logged["train/loss_l1"]])
        self._sums = torch.as_tensor(self._sums, device=values.device) + values
        self._n += 1
        if self._n < self.window:
            return
        accuracy, l1 = (self._sums / self._n).tolist()
        self._sums, self._n = [0.0, 0.0], 0
        if not math.isfinite(l1):
            return  # no collapse, and `FiniteCheck`'s to tell
        self._lowest_l1 = min(self._lowest_l1, l1)
        if problem := self._problem(accuracy, l1):
            self._warn(trainer, pl_module, problem)
        else:
            self.good_until = updates(trainer, pl_module)

    def _problem(self, accuracy: float, l1: float) -> str | None:
        if accuracy > self.high:
            return f"the discriminator is right {accuracy:.1%} of the time: nothing fools it"
        if accuracy < self.low:
            return f"the discriminator is right {accuracy:.1%} of the time: it has given up"
        if l1 > self.rise * self._lowest_l1:
            return f"L1 has risen to {l1:.4f} from {self._lowest_l1:.4f}"
        return None

    def _warn(self, trainer: pl.Trainer, system: pl.LightningModule, problem: str) -> None:
        update = updates(trainer, system)
        good = self.last_good()
        way_back = (
            f"the last checkpoint from before that is {good}"
            if good
            else "there is no checkpoint from before that"
        )
        text = (
            f"The GAN collapses at update {update}: {problem} (mean of {self.window} updates; all "
            f"was well at {self.good_until}). Go back with resume=, with less "
            "system.adversarial_weight, a lower rate of the discriminator, or more "
            f"system.r1_weight; {way_back}."
        )
        self.warnings.append(text)
        rank_zero_warn(text)
        Dashboard(trainer, update).text("The GAN collapses", text)

    def last_good(self) -> Path | None:
        """The newest checkpoint of the run from no later than `good_until`."""
        found = []
        for path in self.checkpoints.glob("*.ckpt"):
            _, _, number = path.stem.rpartition("-")
            if number.isdigit() and int(number) <= self.good_until:
                found.append((int(number), path))
        return max(found)[1] if found else None

    def state_dict(self) -> dict[str, Any]:
        return {
            "sums": torch.as_tensor(self._sums).tolist(),
            "n": self._n,
            "lowest_l1": self._lowest_l1,
            "good_until": self.good_until,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._sums, self._n = list(state_dict["sums"]), state_dict["n"]
        self._lowest_l1, self.good_until = state_dict["lowest_l1"], state_dict["good_until"]


class OverfitCheck(pl.Callback):
    """Ends the run when the loss of the same few windows is under a bar, or time is up.

    Args:
        metric: logged training loss.
        below: the bar.
        minutes: time that it may take.
    """

    def __init__(
        self, metric: str = "train/loss", below: float = 0.05, minutes: float = 5.0
    ) -> None:
        self.metric, self.below, self.minutes = metric, below, minutes
        self.passed = False
        self._first: float | None = None
        self._lowest = float("inf")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        logged = trainer.callback_metrics
        if self.metric not in logged:
            raise UserError(
                f"overfit.metric={self.metric} is not logged: use {either(sorted(logged))}."
            )
        loss = float(logged[self.metric])
        self._batch = batch
        self._first = loss if self._first is None else self._first
        self._lowest = min(self._lowest, loss)
        seconds = time.monotonic() - self._started
        # All processes stop after the same update, or some would wait for the others.
        if trainer.strategy.reduce_boolean_decision(loss < self.below, all=True):
            self.passed = True
            rank_zero_info(
                f"overfit: data and model can learn: {self.metric} fell from {self._first:.3f} "
                f"to {loss:.3f} in {updates(trainer, pl_module)} updates, {seconds:.0f} s."
            )
        elif not trainer.strategy.reduce_boolean_decision(seconds > 60 * self.minutes, all=False):
            return
        trainer.should_stop = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Raises UserError with what is wrong where the bar was not reached."""
        if self.passed or trainer.interrupted or self._first is None:
            return
        found = symptoms(self._batch, clips_of(trainer.datamodule, "train"))  # type: ignore[attr-defined]
        frozen = not any(p.requires_grad for p in pl_module.parameters())
        if frozen:
            found.insert(0, "No parameter is trained.")
        rates = [
            group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups
        ]
        if not max(rates, default=0) > 0:
            found.insert(0, "The learning rate is 0.")
        raise UserError(
            f"overfit: {self.metric} of the same few windows fell from {self._first:.3f} to "
            f"{self._lowest:.3f} only, not under {self.below}: "
            + (" ".join(found) or "nothing is visibly wrong with the data; try another rate.")
        )


STILL = 2 / 255  # mean change over a window under which lips do not move
FEW_SPEAKERS = 10

CHECKLIST = """Known causes of an expert that stays at chance, most frequent first:
  1. Lips and sound are apart. One frame is enough; files converted with a wrong rate, or cut at
     key frames, are 2 to 10 frames off. Score some clips with evaluate.py: their offsets must be
     the same, within a frame.
  2. Too little or too uniform data. Users with 2 to 9 videos, or 600 clips, stayed at chance.
  3. Wrong crops: another person's face, a box that jumps, a mouth cut off. Look at the images in
     the prepared folders.
  4. The published recipe itself (experiment=syncnet): by the release's maintainers its loss stays
     at 0.69 for 150 000 to 200 000 updates. experiment=syncnet_strong leaves chance far sooner.
  5. The rate. 1e-3 without warm-up kept the published objective at chance for good.
Whether data and model can learn at all: python train.py experiment=… debug=overfit"""


def symptoms(batch: SyncBatch | LipBatch, clips: Sequence[AnyClip]) -> list[str]:
    """One sentence for each thing that is wrong for certain, or probably.

    Args:
        batch: some training windows.
        clips: the training clips; none where they are not known.
    """
    frames = batch.frames if isinstance(batch, SyncBatch) else stack_frames(batch.target)
    found = [*of_images(frames), *of_sound(batch.mel)]
    if isinstance(batch, SyncBatch):
        found += of_labels(batch)
    speakers = {clip.name.partition("/")[0] for clip in clips}
    if clips and len(speakers) < FEW_SPEAKERS:
        found.append(
            f"There are {len(clips)} training clips of {len(speakers)} speaker(s): an expert of so "
            "few people says little of others."
        )
    return found


def of_images(frames: Tensor) -> list[str]:
    """Of windows (B, 15, S/2, S)."""
    if not bool(frames.isfinite().all()):
        return ["Images hold NaN or infinite values."]
    first, last = frames[:, :3], frames[:, -3:]
    still = ((first - last).abs().mean(dim=(1, 2, 3)) < STILL).float().mean().item()
    flat = (frames.std(dim=(1, 2, 3)) < STILL).float().mean().item()
    found = []
    if flat > 0.1:
        found.append(f"{flat:.0%} of the windows are images of one colour.")
    elif still > 0.3:
        found.append(
            f"{still:.0%} of the windows do not move: stills, repeated frames, or the wrong face."
        )
    return found


def of_sound(mel: Tensor) -> list[str]:
    """Of mel windows (B, 1, 80, 16)."""
    if not bool(mel.isfinite().all()):
        return ["The sound holds NaN or infinite values."]
    silent = (mel.amax(dim=(1, 2, 3)) <= SILENCE + 0.5).float().mean().item()
    found = []
    if silent > 0.3:
        found.append(f"{silent:.0%} of the windows are silent.")
    if float(mel.amax()) > -SILENCE + 1e-3 or float(mel.amin()) < SILENCE - 1e-3:
        found.append("The mel leaves [-4, 4]: it was not made as the networks hear it.")
    return found


def of_labels(batch: SyncBatch) -> list[str]:
    """Windows that no expert can tell apart."""
    images = batch.frames.flatten(1)
    near = torch.cdist(images[:, ::7], images[:, ::7], p=1) / images[:, ::7].shape[1]
    own_sound = torch.cdist(batch.mel.flatten(1), batch.mel.flatten(1), p=1) > 1e-3
    same = (near < 0.25 / 255) & own_sound
    twins = same.any(dim=1).float().mean().item()
    found = []
    if twins > 0.1:
        found.append(f"{twins:.0%} of the windows show the same images with different sound.")
    if len(batch.in_sync) > 8 and float(batch.in_sync.float().std()) == 0:
        alone = len(batch.group.unique()) == len(batch.group)
        if alone or float(batch.in_sync.float().mean()) == 0:
            found.append("All windows have the same label, so there is nothing to tell apart.")
    return found


class DataReport(pl.Callback):
    """Logs `data/rejected_<reason>`: draws from the training set that gave no sample, so far.

    Summed over all workers of all processes. A reason that never occurred is not logged.
    """

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if (batch_idx + 1) % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._log(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        counts = self._log(trainer, pl_module)
        if counts:
            reasons = ", ".join(f"{reason}: {n}" for reason, n in counts.items())
            rank_zero_warn(f"Draws from clips that give no sample were made anew ({reasons}).")

    def _log(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, int]:
        """The counts above 0, after logging them. All processes must come here together."""
        drawn_from = getattr(trainer.datamodule, "train_set", None)  # type: ignore[attr-defined]
        rejections = getattr(drawn_from, "rejections", None)
        if rejections is None:  # somebody's own data module
            return {}
        by_reason = rejections.by_reason
        own = torch.tensor(list(by_reason.values()), dtype=torch.float64, device=pl_module.device)
        total = trainer.strategy.reduce(own, reduce_op="sum")
        counts = {reason: int(n) for reason, n in zip(by_reason, total.tolist(), strict=True) if n}
        metrics = {f"data/rejected_{key.replace(' ', '_')}": float(n) for key, n in counts.items()}
        for logger in trainer.loggers if metrics else ():
            logger.log_metrics(metrics, step=updates(trainer, pl_module))
        return counts


class StallWatcher(pl.Callback):
    """Warns when the loss is that of guessing and similarities do not separate.

    Every `patience` updates it looks back over as many. It stays quiet where in-sync cosines are
    higher than others by more than chance explains: the loss at its chance value is then slow
    progress. Its next look is twice as far away after each warning.

    Args:
        file: where the text of the last warning is kept.
        patience: updates.
        at_chance: share of the chance loss from which on the loss counts as chance.
        significant: standard errors by which the cosines must differ.
    """

    def __init__(
        self,
        file: str | Path,
        patience: Count = 2000,
        at_chance: float = 0.97,
        significant: float = 4.0,
    ) -> None:
        self.file, self.patience = Path(file), patience
        self.at_chance, self.significant = at_chance, significant
        self.warnings = 0
        self._clear()

    def _clear(self) -> None:
        self._n = 0
        # Of loss over chance, gap, gap², and how often a gap was known; on the device of the
        # losses, because to look at a number there would make each update wait.
        self._sums: Tensor | list[float] = [0.0] * 4

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: SyncBatch,
        batch_idx: int,
    ) -> None:
        learned: Any = pl_module.learned  # w2l.systems.expert.Learned
        known = learned.gap.isfinite()  # a batch may lack one of the two
        gap = torch.where(known, learned.gap, 0.0)
        values = [learned.loss_over_chance, gap, gap.square(), known]
        self._sums = torch.as_tensor(self._sums, device=gap.device) + torch.stack(
            [value.float() for value in values]
        )
        self._n += 1
        if self._n < self.patience * 2**self.warnings:
            return
        ratio, gaps, squares, count = self._sums.tolist()
        if ratio / self._n >= self.at_chance and not self._separate(gaps, squares, count):
            self._warn(trainer, pl_module, batch, ratio / self._n)
        self._clear()

    def _separate(self, gaps: float, squares: float, count: float) -> bool:
        if count < 2:
            return False
        mean = gaps / count
        variance = max(0.0, squares / count - mean * mean)
        return mean > self.significant * math.sqrt(variance / count) and mean > 0

    def _warn(
        self, trainer: pl.Trainer, system: pl.LightningModule, batch: SyncBatch, ratio: float
    ) -> None:
        self.warnings += 1
        found = symptoms(batch, clips_of(trainer.datamodule, "train"))  # type: ignore[attr-defined]
        seen = "".join(f"\n  - {sentence}" for sentence in found) or " nothing for certain."
        text = (
            f"After {updates(trainer, system)} updates the loss is that of guessing "
            f"({ratio:.3f} of it over the last {self._n}) and lips and sound that "
            f"belong together are no more alike than others.\nSeen in the data:{seen}\n{CHECKLIST}"
        )
        rank_zero_warn(text)
        if trainer.is_global_zero:
            with atomic_path(self.file) as path:
                path.write_text(text + "\n")
        Dashboard(trainer, updates(trainer, system)).text("The expert does not learn", text)

    def state_dict(self) -> dict[str, Any]:
        return {
            "warnings": self.warnings,
            "n": self._n,
            "sums": torch.as_tensor(self._sums).tolist(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.warnings, self._n = state_dict["warnings"], state_dict["n"]
        self._sums = list(state_dict["sums"])
