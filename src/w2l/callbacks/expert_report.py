"""What the expert has learned, after each validation: accuracies, offsets, histograms, speakers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytorch_lightning as pl

from w2l.callbacks.clip_similarity import clip_similarities
from w2l.callbacks.dashboard import Dashboard
from w2l.callbacks.first_process import log_of_first
from w2l.callbacks.histograms import histogram_picture
from w2l.callbacks.sync_gate import updates
from w2l.data import clips_of
from w2l.data.clips import AnyClip
from w2l.files import atomic_path
from w2l.metrics.separation import expert_quality, offset_of, pooled
from w2l.metrics.speakers import by_speaker
from w2l.models import Expert


def spread(clips: Sequence[AnyClip], count: int) -> list[AnyClip]:
    """At most `count` of the clips, evenly from first to last."""
    chosen = np.unique(np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int))
    return [clips[int(i)] for i in chosen]


class ExpertReport(pl.Callback):
    """Compares every window of whole validation clips with every sound of the same clip.

    Logs `val/pair_accuracy`, `val/balanced_accuracy`, `val/in_sync_accuracy`,
    `val/off_sync_accuracy`, `val/offset_within_1`; writes `<folder>/<update>.json` with the offsets
    (positive where the sound is early) and a row per speaker, and `<update>.png` with the
    histograms of similarities.

    Args:
        folder: where the reports go.
        clips: validation clips that are looked at, and as many training clips for the threshold.
    """

    def __init__(self, folder: str | Path, clips: int = 32) -> None:
        self.folder, self.clips = Path(folder), clips

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        found = self._report(trainer, pl_module) if trainer.is_global_zero else {}
        log_of_first(trainer, pl_module, found)

    def _report(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, float]:
        """Write the report; what is logged of it, or nothing where no clip can be looked at."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        expert: Expert = pl_module.expert  # type: ignore[assignment]
        held_out = clip_similarities(expert, spread(clips_of(data, "val"), self.clips))
        training = clip_similarities(expert, spread(clips_of(data, "train"), self.clips))
        if not held_out or not training:
            return {}
        matrices = [matrix for _, matrix in held_out]
        quality = expert_quality(matrices, [matrix for _, matrix in training])
        own, others = pooled(matrices)
        update = updates(trainer, pl_module)
        report = {
            "update": update,
            **quality._asdict(),
            "offsets": [offset_of(matrix) for matrix in matrices],
            "speakers": by_speaker(held_out),
        }
        with atomic_path(self.folder / f"{update:07d}.json") as path:
            path.write_text(json.dumps(report, indent=1) + "\n")
        title = f"update {update}: pair {quality.pair_accuracy:.3f}"
        picture = histogram_picture(own, others, quality.threshold, title)
        with atomic_path(self.folder / f"{update:07d}.png") as path:
            path.write_bytes(picture)
        dashboard = Dashboard(trainer, update)
        dashboard.picture("validation/similarities", path=self.folder / f"{update:07d}.png")
        dashboard.histogram("validation/cosine_in_sync", own)
        dashboard.histogram("validation/cosine_off_sync", others)
        dashboard.histogram("validation/offsets", np.array(report["offsets"]))
        dashboard.table("validation/speakers", report["speakers"])
        return {
            "val/pair_accuracy": quality.pair_accuracy,
            "val/balanced_accuracy": quality.balanced_accuracy,
            "val/in_sync_accuracy": float((own >= quality.threshold).mean()),
            "val/off_sync_accuracy": float((others < quality.threshold).mean()),
            "val/offset_within_1": quality.offset_within_1,
        }
