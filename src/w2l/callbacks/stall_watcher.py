"""Says why, when an expert does not learn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from w2l.callbacks.dashboard import Dashboard
from w2l.callbacks.diagnosis import CHECKLIST, symptoms
from w2l.callbacks.sync_gate import updates
from w2l.data import clips_of
from w2l.data.batches import SyncBatch
from w2l.files import atomic_path


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
        patience: int = 2000,
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
