"""`report.html` and `summary.json` in a run's folder, kept up to date while it trains."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from w2l.callbacks.finite_check import DivergedError
from w2l.callbacks.loggers import CurveFile
from w2l.callbacks.run_document import PAGE, SUMMARY, document
from w2l.callbacks.run_report import RunReport
from w2l.callbacks.stop_signals import Stopped
from w2l.data import clips_of
from w2l.errors import UserError
from w2l.files import write_text

logger = logging.getLogger(__name__)
EVERY_S = 300.0  # between validations, so that a long wait for the first one can be watched


class RunPage(pl.Callback):
    """Writes both files when a run begins, at each validation, in between now and then, and at its
    end; the first process does. A page that cannot be written is said, and ends nothing.

    Numbers are those of the run's `RunReport`. It must be the last callback: the page shows what
    the others wrote.

    Args:
        folder: of the run.
        name: of the experiment.
        monitor: what `best.ckpt` is best at.
        mode: "min" or "max".
        next_command: what to do with the run, ready to paste.
    """

    def __init__(
        self,
        folder: str | Path,
        name: str,
        monitor: str,
        mode: str,
        next_command: Callable[[], str] | None = None,
    ) -> None:
        self.folder, self.name, self.next_command = Path(folder), name, next_command
        self.monitor, self.mode = monitor, mode
        self._report = RunReport()
        self._facts: dict[str, Any] = {}
        self._written = -math.inf
        self._told: str | None = None  # why the last page could not be written

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        mine = (each for each in trainer.callbacks if isinstance(each, RunReport))  # type: ignore[attr-defined]
        self._report = next(mine, self._report)
        self._facts = {
            "data": data_facts(trainer.datamodule),  # type: ignore[attr-defined]
            "parameters": sum(p.numel() for p in pl_module.parameters() if p.requires_grad),
            "meanings": dict(getattr(pl_module, "meanings", {})),
        }
        for line in self._opening():
            logger.info(line)
        self.write(trainer, "running")

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if time.monotonic() - self._written > EVERY_S:
            self.write(trainer, "running")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking and self._facts:
            self.write(trainer, "running")

    @contextmanager
    def until_the_end(self, trainer: pl.Trainer) -> Iterator[None]:
        """Within, a run takes place; whatever ends it is on the page."""
        state = "finished"
        try:
            yield
        except Stopped as stopped:
            state = f"stopped by {stopped.signal.name}"
            raise
        except DivergedError as error:
            state = f"diverged: {error}"
            raise
        except BaseException as error:
            state = f"failed: {error or type(error).__name__}"
            raise
        finally:
            if self._facts:  # else it did not begin
                self.write(trainer, state)

    def write(self, trainer: pl.Trainer, state: str) -> None:
        """Write both files, each whole or not at all.

        Args:
            trainer: of the run.
            state: "running", "finished", or what ended it.
        """
        if not trainer.is_global_zero:
            return
        self._written = time.monotonic()
        try:
            for curves in trainer.loggers:
                if isinstance(curves, CurveFile):
                    curves.save()
            summary = self.summary(state)
            write_text(self.folder / SUMMARY, json.dumps(summary, indent=1) + "\n")
            write_text(self.folder / PAGE, document(self.folder, summary))
        except Exception as error:  # of whatever kind: a page is not worth a run
            reason = str(error) if isinstance(error, UserError) else repr(error)
            if reason != self._told:
                self._told = reason
                logger.info("warning: %s was not written: %s", self.folder / PAGE, reason)

    def summary(self, state: str) -> dict[str, Any]:
        """How far the run is, as plain values."""
        report = self._report
        report.settle()
        watched = []
        for name, chance in report.watched.items():
            best, at = report.best.get(name, (None, None))
            if name in report.last:
                watched.append({"name": name, "chance": chance, "last": report.last[name],
                                "best": best, "best_update": at})  # fmt: skip
        left = report.seconds_left(time.monotonic())
        done, seconds = report.update - report.first, time.monotonic() - report.started
        return {
            "experiment": self.name,
            "state": state,
            "update": report.update,
            "total": report.total if math.isfinite(report.total) else None,
            "updates_now": done,  # since it was started or resumed
            "seconds_now": round(seconds, 1),
            "seconds_left": round(left, 1) if state == "running" and math.isfinite(left) else None,
            "written": time.strftime("%Y-%m-%d %H:%M:%S"),
            "monitor": self.monitor,
            "monitor_mode": self.mode,
            "watched": watched,
            **self._facts,
            "next": self.next_command() if self.next_command and state == "finished" else None,
        }

    def _opening(self) -> Iterator[str]:
        yield f"run: {self.folder} ({PAGE} shows how far it is)"
        splits = self._facts["data"]["splits"]
        if splits:
            yield f"data: {', '.join(f'{split} {said(n)}' for split, n in splits.items())}"
        yield f"learning: {self._facts['parameters'] / 1e6:.2f} M parameters"


def said(counts: dict[str, int]) -> str:
    """How many clips, and of how many people, in words."""
    n, people = counts["clips"], counts["speakers"]
    return f"{n} clip{'' if n == 1 else 's'} of {people} speaker{'' if people == 1 else 's'}"


def data_facts(data: Any) -> dict[str, Any]:
    """Where the clips are, how many they are, and of how many people."""
    splits = {}
    for split in ("train", "val"):
        if clips := clips_of(data, split):
            people = {clip.name.partition("/")[0] for clip in clips}
            splits[split] = {"clips": len(clips), "speakers": len(people)}
    root = getattr(getattr(data, "storage", None), "root", None)  # none in somebody's own module
    return {"root": None if root is None else str(root), "splits": splits}
