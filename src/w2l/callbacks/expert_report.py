"""What the expert has learned, after each validation: accuracies, offsets, histograms, speakers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure

from w2l.bounds import Whole
from w2l.callbacks.first_process import log_of_first
from w2l.callbacks.loggers import Dashboard
from w2l.callbacks.sync_gate import updates
from w2l.data import clips_of
from w2l.data.clips import AnyClip, BadClipError
from w2l.files import atomic_path
from w2l.metrics.separation import expert_quality, offset_of, pooled
from w2l.metrics.speakers import by_speaker
from w2l.models import Expert
from w2l.scoring.embeddings import mel_embeddings
from w2l.windows import WINDOW_FRAMES


def histogram_image(
    in_sync: np.ndarray, off_sync: np.ndarray, threshold: float, title: str
) -> bytes:
    """PNG of the similarities of windows that belong together and of others.

    Args:
        in_sync, off_sync: cosines, (n,) and (m,).
        threshold: drawn as a line.
        title: of the image.
    """
    figure = Figure(figsize=(6, 3), dpi=100)
    axes = figure.subplots()
    low = min(float(in_sync.min()), float(off_sync.min()), 0.0)
    bins = np.linspace(low, 1, 60).tolist()
    for values, label in ((off_sync, "≥ 5 frames apart"), (in_sync, "in sync")):
        axes.hist(values, bins, density=True, alpha=0.6, label=f"{label} ({len(values)})")
    axes.axvline(threshold, color="black", linewidth=1, label="threshold")
    axes.set(title=title, xlabel="cosine of lips and speech", yticks=[])
    axes.legend()
    figure.tight_layout()
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


@torch.inference_mode()
def clip_similarity(expert: Expert, clip: AnyClip, batch_size: int = 64) -> np.ndarray:
    """Cosines (N, N): row i is the face window of frame i, column j the sound window of frame j.

    Rows of windows that lack a face in any frame are NaN.

    Args:
        expert: in evaluation mode.
        clip: a prepared clip at the expert's image size.
        batch_size: windows that go through the network at once.

    Raises:
        BadClipError: its images or sound cannot be read.
    """
    present = set(clip.frames.tolist())
    frames = range(max(present, default=-1) + 1)
    crops = (clip.faces(np.array([f]))[0] if f in present else None for f in frames)
    faces, sounds = mel_embeddings(expert, crops, clip.mel, batch_size)
    return (faces @ sounds.T).numpy()


def clip_similarities(expert: Expert, clips: Sequence[AnyClip]) -> list[tuple[str, np.ndarray]]:
    """(speaker, `clip_similarity`) of the clips that can be read and are long enough."""
    found = []
    for clip in clips:
        try:
            matrix = clip_similarity(expert, clip)
        except BadClipError:
            continue  # counted where it is drawn for training
        # Some pairs must be far enough apart to be compared.
        if len(matrix) > 2 * WINDOW_FRAMES and not np.isnan(np.diag(matrix)).all():
            found.append((clip.name.partition("/")[0], matrix))
    return found


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

    def __init__(self, folder: str | Path, clips: Whole = 32) -> None:
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
        image = histogram_image(own, others, quality.threshold, title)
        with atomic_path(self.folder / f"{update:07d}.png") as path:
            path.write_bytes(image)
        dashboard = Dashboard(trainer, update)
        dashboard.image("validation/similarities", path=self.folder / f"{update:07d}.png")
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
