"""Pictures, videos, histograms and tables to W&B and TensorBoard, where they are in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger


class Dashboard:
    """The loggers of a run at one update; what a logger cannot show, it is not given.

    Args:
        trainer: whose loggers.
        update: the point on the time axis.
    """

    def __init__(self, trainer: pl.Trainer, update: int) -> None:
        self.update = update
        runs = trainer.loggers if trainer.is_global_zero else []
        self._wandb = [x.experiment for x in runs if isinstance(x, WandbLogger)]
        self._tensorboard = [x.experiment for x in runs if isinstance(x, TensorBoardLogger)]

    def picture(self, name: str, path: Path, caption: str | None = None) -> None:
        """A PNG file."""
        self._log(name, lambda wandb: wandb.Image(str(path), caption=caption))
        from skimage import io

        for board in self._tensorboard:
            board.add_image(name, io.imread(path), self.update, dataformats="HWC")

    def video(self, name: str, path: Path, caption: str | None = None) -> None:
        """An MP4 file with its sound, which TensorBoard cannot show."""
        self._log(name, lambda wandb: wandb.Video(str(path), caption=caption, format="mp4"))

    def histogram(self, name: str, values: np.ndarray) -> None:
        """Distribution of the values (n,)."""
        self._log(name, lambda wandb: wandb.Histogram(values.tolist()))
        for board in self._tensorboard:
            board.add_histogram(name, values, self.update)

    def table(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Rows with the same keys."""
        columns: list[str | int] = list(rows[0]) if rows else []
        data = [list(row.values()) for row in rows]
        self._log(name, lambda wandb: wandb.Table(columns=columns, data=data))
        for board in self._tensorboard:
            lines = ["|".join(map(str, columns)), "|".join("-" * len(columns))]
            lines += ["|".join(str(value) for value in row) for row in data]
            board.add_text(name, "\n".join(lines), self.update)

    def text(self, name: str, text: str) -> None:
        """A message that should be seen."""
        for run in self._wandb:
            run.alert(title=name, text=text)
        for board in self._tensorboard:
            board.add_text(name, text, self.update)

    def _log(self, name: str, make: Callable[[Any], object]) -> None:
        if not self._wandb:
            return
        import wandb  # half a second, which runs without it need not pay

        for run in self._wandb:
            run.log({name: make(wandb), "trainer/global_step": self.update})
