"""Images of what the generator makes, while it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from w2l.callbacks.loggers import Dashboard
from w2l.callbacks.sync_gate import updates
from w2l.data.batches import LipBatch
from w2l.files import atomic_path

COLUMNS = "reference", "input", "generated", "target"
CAPTION = f"{' | '.join(COLUMNS)}; each row is a window of another validation clip"
FONT = cv2.FONT_HERSHEY_SIMPLEX


def sample_grid(batch: LipBatch, generated: Tensor, rows: int) -> np.ndarray:
    """One row per clip: reference | input | generated | target, the window's middle frame.

    Returns:
        BGR uint8 (rows · S, 4 · S, 3).
    """
    middle = generated.shape[2] // 2
    masked, reference = batch.masked_and_reference.split(3, dim=1)
    columns = [x[:rows, :, middle] for x in (reference, masked, generated, batch.target)]
    grid = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
    pixels = grid.float().clamp(0, 1).mul(255).permute(1, 2, 0)
    return pixels.round().to(torch.uint8).cpu().numpy()


def labelled(grid: np.ndarray) -> np.ndarray:
    """The grid under a strip with the names of its columns."""
    width = grid.shape[1] // len(COLUMNS)
    unit = max(cv2.getTextSize(name, FONT, 1.0, 1)[0][0] for name in COLUMNS)
    scale = 0.9 * width / unit
    strip = np.full((round(40 * scale), grid.shape[1], 3), 255, np.uint8)
    for i, name in enumerate(COLUMNS):
        place = round((i + 0.05) * width), round(28 * scale)
        cv2.putText(strip, name, place, FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, grid])


class SampleGrid(pl.Callback):
    """After validation, writes `<folder>/<update>.png`, labelled, and shows it on the dashboard.

    Args:
        folder: where the images go.
        rows: clips per image.
    """

    def __init__(self, folder: str | Path, rows: int = 4) -> None:
        self.folder, self.rows = Path(folder), rows
        self._grid: np.ndarray | None = None

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: LipBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx or not trainer.is_global_zero:
            return
        few = LipBatch(*(part[: self.rows] for part in batch))
        with torch.no_grad():
            generated = pl_module(few.mels, few.masked_and_reference)
        self._grid = sample_grid(few, generated, self.rows)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._grid is None or trainer.sanity_checking:
            return
        update = updates(trainer, pl_module)
        written = self.folder / f"{update:07d}.png"
        with atomic_path(written) as path:
            # cv2.imwrite returns False on a full disk; this raises.
            path.write_bytes(cv2.imencode(".png", labelled(self._grid))[1].tobytes())
        Dashboard(trainer, update).image("validation/samples", written, CAPTION)
        self._grid = None
