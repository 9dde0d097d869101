"""Notices when a GAN's discriminator and generator stop teaching each other."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from w2l.callbacks.dashboard import Dashboard
from w2l.callbacks.sync_gate import updates


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
        window: int = 500,
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
