"""`python evaluate.py expert=… data=…`: how well an expert tells sync, on a prepared set."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from w2l.checkpoints import load_expert, read, resolve
from w2l.cli.evaluate_output import chosen_output
from w2l.cli.keys.evaluate import Evaluate
from w2l.data.clips import AnyClip
from w2l.data.storage import Storage
from w2l.errors import UserError
from w2l.files import atomic_path, identity
from w2l.inference import pick_device
from w2l.metrics import Roc, roc
from w2l.metrics.separation import expert_quality, offset_of, pooled
from w2l.metrics.speakers import by_speaker
from w2l.paths import shown_path, user_path
from w2l.progress import counted
from w2l.scoring.report import write_json

SPLITS = ("test", "val")  # the first that there is
COLUMNS = {
    "speaker": "speaker", "clips": "clips", "pair_accuracy": "pair ↑",
    "balanced_accuracy": "balanced ↑", "offset_within_1": "offset ±1 ↑", "offset": "offset",
    "cosine_in_sync": "in sync", "cosine_off_sync": "off sync",
}  # fmt: skip
MEANING = (
    "pair: a window's own sound is more like it than sound of the same clip, 5 frames or more away "
    "(0.5 is guessing); balanced: in sync or not by one threshold, {fitted} (0.5 is guessing); "
    "offset ±1: clips whose best offset within 15 frames is at most 1; speakers: the worst first."
)
ROC_POINTS = 201


def evaluate_expert(settings: Evaluate, console: Console) -> None:
    """Score the expert, write <name>.json, .csv, .md and .png, show the numbers.

    Raises:
        UserError: there is no such set, split or expert, or no clip that can be compared.
    """
    from w2l.callbacks.expert_report import clip_similarities  # loads Lightning

    file = resolve(str(settings.expert))
    device = pick_device(settings.device)
    expert = load_expert(file).eval().to(device)
    storage = Storage(str(settings.data_root), image_size=int(expert.config["image_size"]))
    split, clips = chosen_clips(storage, settings.split)
    given = settings.output, user_path(str(settings.data_root))
    with chosen_output(*given) as output:
        shown = Console(stderr=True)
        found: dict[str, list[tuple[str, np.ndarray]]] = {}
        for name, of in ((split, clips), ("train", training_clips(storage, split, len(clips)))):
            watched = counted(of, len(of), shown, f"expert on {name}", "clips")
            found[name] = [each for clip in watched for each in clip_similarities(expert, [clip])]
        if not found[split]:
            raise UserError(
                f"{settings.data_root}: no clip of {split} can be compared (11 windows)."
            )
        content = report(found[split], found["train"], split)
        content |= {
            "kind": "expert", "data": shown_path(str(settings.data_root)), "split": split,
            "n_clips": len(found[split]), "n_left_out": len(clips) - len(found[split]),
            "expert": identity(file) | {"speakers": read(file, "expert").speakers},
        }  # fmt: skip
        write_json(content, output)
        write_rows(content["speakers"], output.with_suffix(".csv"))
        plot(content, output.with_suffix(".png"))
        show(content, console)
        console.print(f"{output}, .csv, .png", soft_wrap=True, markup=False)


def chosen_clips(storage: Storage, split: str | None) -> tuple[str, Sequence[AnyClip]]:
    """The split that is asked for, or the first of `SPLITS` that the set has, and its clips."""
    *others, last = SPLITS if split is None else (split,)
    for name in others:
        try:
            return name, storage.clips(name)
        except UserError:
            continue
    return last, storage.clips(last)


def training_clips(storage: Storage, split: str, count: int) -> Sequence[AnyClip]:
    """As many clips to fit the threshold on; none where the set has no others."""
    if split == "train":
        return []
    try:
        clips = storage.clips("train")
    except UserError:
        return []
    chosen = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), max(count, 8))).round())
    return [clips[int(i)] for i in chosen]


def report(
    held_out: Sequence[tuple[str, np.ndarray]], training: Sequence[tuple[str, np.ndarray]],
    split: str,
) -> dict[str, Any]:  # fmt: skip
    """The numbers of all clips and of each speaker, the worst first."""
    matrices = [matrix for _, matrix in held_out]
    fitted = [matrix for _, matrix in training] or matrices
    quality = expert_quality(matrices, fitted)
    speakers = by_speaker(held_out, quality.threshold)
    own, others = pooled(matrices)
    curve = roc(own.tolist(), others.tolist())
    return {
        **quality._asdict(),
        "threshold_from": "train" if training else f"{split} itself",
        "offsets": [offset_of(matrix) for matrix in matrices],
        "speakers": sorted(speakers, key=lambda row: row["pair_accuracy"]),
        "roc": thinned(curve),
    }


def thinned(curve: Roc) -> dict[str, Any]:
    """The ROC at some of its thresholds: one has as many as there are pairs."""
    at = np.unique(np.linspace(1, len(curve.thresholds) - 1, ROC_POINTS).round().astype(int))
    return {
        "auc": curve.auc,
        "eer": curve.eer,
        "threshold": curve.threshold,
        "thresholds": curve.thresholds[at].tolist(),
        "false_accepts": curve.false_accepts[at].tolist(),
        "true_accepts": curve.true_accepts[at].tolist(),
    }


def write_rows(rows: Sequence[Mapping[str, Any]], target: Path) -> None:
    """A row per speaker as CSV."""
    with atomic_path(target) as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def show(content: Mapping[str, Any], console: Console) -> None:
    """All clips, then each speaker, the worst first; what the columns mean."""
    table = Table(title=f"Expert on {content['split']} of {content['data']}", box=SIMPLE_HEAD,
                  pad_edge=False, padding=(0, 1, 0, 0))  # fmt: skip
    for key, title in COLUMNS.items():
        table.add_column(title, justify="left" if key == "speaker" else "right")
    everybody = {
        **content, "speaker": "all", "clips": content["n_clips"],
        "offset": float(np.median(content["offsets"])),
    }  # fmt: skip
    for row in (everybody, *content["speakers"]):
        table.add_row(*(_cell(key, row[key]) for key in COLUMNS))
    console.print(table, markup=False)
    curve = content["roc"]
    console.print(
        f"ROC of windows: area {curve['auc']:.3f}, equal error rate {curve['eer']:.1%}. "
        f"{content['n_left_out']} clips left out.",
        soft_wrap=True,
    )
    fitted = f"fitted on {content['threshold_from']}"
    console.print(MEANING.format(fitted=fitted), soft_wrap=True, markup=False)


def _cell(key: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:+g}" if key == "offset" else f"{value:.3f}"
    return str(value)


def plot(content: Mapping[str, Any], output: Path) -> None:
    """ROC, offsets, and the pair accuracy of each speaker."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    curve = content["roc"]
    first.plot([0, *curve["false_accepts"]], [0, *curve["true_accepts"]])
    first.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    first.set(xlabel="off-sync windows accepted", ylabel="in-sync windows accepted",
              title=f"area {curve['auc']:.3f}, EER {curve['eer']:.1%}")  # fmt: skip
    second.hist(content["offsets"], bins=np.arange(-15.5, 16.5).tolist())
    second.set(xlabel="best offset in frames", ylabel="clips")
    rows = content["speakers"][:30][::-1]
    third.barh([str(row["speaker"]) for row in rows], [row["pair_accuracy"] for row in rows])
    third.axvline(0.5, color="0.3", linestyle=":")
    third.set(
        xlim=(0, 1), xlabel="pair accuracy (0.5: guessing)", title="speakers, the worst on top"
    )
    with atomic_path(output) as path:
        figure.savefig(path, dpi=110)
