"""What a training says of itself: lines, a bar on a terminal, a summary at its end."""

from __future__ import annotations

import logging
import math
import sys
import time
from typing import Any

import pytorch_lightning as pl
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column
from torch import Tensor

from w2l.callbacks.progress import budget
from w2l.callbacks.sync_gate import updates
from w2l.progress import duration

logger = logging.getLogger(__name__)
REDRAWN_S = 0.5
BEST = {  # parts of names: what is better
    "min": ("loss", "lse_d"),
    "max": ("accuracy", "dubbed_cosine", "cosine_in_sync", "lse_c", "within"),
}


class RunReport(pl.Callback):
    """Logs a line every so often and after each validation; the first process does.

    A line has the update, the rate, the time left, and what the system lists in `watched` (name →
    what guessing would give, or None): training values are means since the line before. On a
    terminal a bar says the same in short, with the two or three values that the system lists in
    `on_bar` (name → its name there), and lines of training go to the log file only.

    Args:
        every_s: seconds from one line to the next.
    """

    def __init__(self, every_s: float = 30.0) -> None:
        self.every_s = every_s
        self.last: dict[str, float] = {}
        self.best: dict[str, tuple[float, int]] = {}  # value, and the update it is of
        self._bar: Progress | None = None
        self._begin(0, math.inf)  # where nothing is trained, but a validation made, say

    def _begin(self, update: int, total: float) -> None:
        self.first = self.update = self._since = update  # the last: that of the line before
        self.total = total
        self.watched: dict[str, float | None] = {"train/loss": None}
        self._on_bar: dict[str, str] = {"train/loss": "loss"}
        self._sums: dict[str, tuple[Tensor, int]] = {}  # and of how many updates
        self.started = self._said = self._drawn = time.monotonic()
        self._validating = 0.0  # seconds since the line before

    def state_dict(self) -> dict[str, Any]:
        return {"best": {name: list(found) for name, found in self.best.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = {name: (value, update) for name, (value, update) in state_dict["best"].items()}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(updates(trainer, pl_module), budget(trainer, pl_module))
        terms = getattr(pl_module, "terms", ())  # of `loss=`
        own = {f"{stage}/loss_{name}": None for stage in ("train", "val") for name in terms}
        self.watched = getattr(pl_module, "watched", self.watched) | own
        self._on_bar = getattr(pl_module, "on_bar", self._on_bar)
        if trainer.is_global_zero and sys.stdout.isatty():
            total = self.total if math.isfinite(self.total) else None
            # On a narrow terminal the bar gets shorter, not the text.
            text = TextColumn("{task.description}", table_column=Column(no_wrap=True))
            # Drawn by this thread: loading processes are forked beside no other.
            self._bar = Progress(BarColumn(30), text, auto_refresh=False, transient=True)
            self._bar.add_task("the first update", total=total, completed=self.first)
            self._bar.start()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        done = updates(trainer, pl_module)
        if done == self.update or not trainer.is_global_zero:
            return  # gradients are being accumulated
        self.update = done
        for name, value in trainer.callback_metrics.items():
            if name in self.watched and name.startswith("train/"):
                before, n = self._sums.get(name, (0.0, 0))
                self._sums[name] = before + value.detach(), n + 1
        now = time.monotonic()
        if now - self._said >= self.every_s:
            self._say(f"{self._progress(now)} | {self._numbers('train/')}", in_bar=True)
        elif self._bar and now - self._drawn >= REDRAWN_S:
            self._draw(self._in_short(now))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validation_began = self._validation_said = time.monotonic()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        now, total = time.monotonic(), sum(trainer.num_val_batches)
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        said = f"update {self.update}, validating: batch {batch_idx + 1} of {total}"
        if now - self._validation_said >= self.every_s and batch_idx + 1 < total:
            self._validation_said = now
            logger.info(said, extra={"only_file": self._bar is not None})
        if self._bar and now - self._drawn >= REDRAWN_S:
            self._draw(said)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        for name, value in trainer.callback_metrics.items():
            if name.startswith("val/"):
                self._note(name, float(value))
        self._say(f"update {self.update} validated | {self._numbers('val/')}")
        self._validating += time.monotonic() - self._validation_began

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._numbers("train/")
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._close()

    def summary(self) -> list[str]:
        """Lines: the number of updates, and the best and last value of what was watched."""
        done = self.update - self.first
        ended = f"trained: {done} updates in {duration(time.monotonic() - self.started)}"
        lines = [ended if not self.first else f"{ended}, {self.update} in all"]
        shown = [name for name in self.watched if name in self.last]
        width = max(map(len, shown), default=0)
        for name in shown:
            line = f"  {name:<{width}}  last {self._value(name)}"
            if name in self.best:
                value, update = self.best[name]
                line += f", best {value:.4g} at update {update}"
            lines.append(line)
        return lines

    def settle(self) -> None:
        """Make the means since the line before the last values."""
        self.last |= {name: float(value) / n for name, (value, n) in self._sums.items()}

    def seconds_left(self, now: float) -> float:
        """Of the budget, validations and checkpoints included; infinite where nobody knows."""
        done = self.update - self.first
        return (now - self.started) / done * (self.total - self.update) if done else math.inf

    def _progress(self, now: float) -> str:
        known = math.isfinite(self.total)
        of = f" of {self.total:.0f}" if known else ""
        left = f" | {duration(self.seconds_left(now))} left" if known else ""
        return f"update {self.update}{of} | {self._rate(now):.3g} updates/s{left}"

    def _in_short(self, now: float) -> str:
        """The same for a bar of 80 columns."""
        known = math.isfinite(self.total)
        of = f"/{self.total:.0f}" if known else ""
        left = f" {duration(self.seconds_left(now))} left" if known else ""
        self.settle()
        numbers = (
            f"{label} {self._value(name, digits=3)}"
            for name, label in self._on_bar.items()
            if name in self.last
        )
        return f"{self.update}{of} {self._rate(now):.3g}/s{left}  {'  '.join(numbers)}"

    def _rate(self, now: float) -> float:
        return (self.update - self._since) / max(now - self._said - self._validating, 1e-9)

    def _numbers(self, stage: str) -> str:
        """The watched values of a stage; those of training become the last ones."""
        if stage == "train/":
            self.settle()
        shown = (name for name in self.watched if name.startswith(stage) and name in self.last)
        return ", ".join(f"{name} {self._value(name)}" for name in shown)

    def _value(self, name: str, digits: int = 4) -> str:
        chance = self.watched[name]
        beside = "" if chance is None else f" (chance: {chance:g})"
        return f"{self.last[name]:.{digits}g}{beside if digits > 3 or chance != 1 else ''}"

    def _note(self, name: str, value: float) -> None:
        self.last[name] = value
        for better, parts in BEST.items():
            if any(part in name for part in parts) and math.isfinite(value):
                sign = 1 if better == "min" else -1
                if name not in self.best or sign * value < sign * self.best[name][0]:
                    self.best[name] = value, self.update

    def _say(self, line: str, *, in_bar: bool = False) -> None:
        logger.info(line, extra={"only_file": in_bar and self._bar is not None})
        if in_bar:
            now = time.monotonic()
            self._draw(self._in_short(now))
            self._sums, self._since = {}, self.update
            self._said, self._validating = now, 0.0

    def _draw(self, line: str) -> None:
        if self._bar is not None:
            self._drawn = time.monotonic()
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=self.update, description=line, refresh=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
