"""`name=recipes`: how many updates the strong recipe, without each of its parts, and the published
one need before they tell lips that fit from lips that do not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.keys import Benchmarks, Recipes
from benchmarks.training import composed, fit
from w2l.callbacks.expert_report import clip_similarities
from w2l.data.clips import AnyClip
from w2l.data.storage import Storage
from w2l.errors import UserError
from w2l.files import atomic_path
from w2l.metrics.separation import expert_quality
from w2l.paths import user_path

PUBLISHED = "published"
THRESHOLD_CLIPS = 4  # every so many-th training clip serves to fit the threshold


class Looks(pl.Callback):
    """Compares all lips with all sounds of held-out clips every so many updates.

    Args:
        held_out: clips that are not trained on.
        training: clips that are, for the threshold.
        every: updates from one look to the next.
    """

    def __init__(
        self, held_out: Sequence[AnyClip], training: Sequence[AnyClip], every: int
    ) -> None:
        self.held_out, self.training, self.every = held_out, training, every
        self.rows: list[dict[str, Any]] = []
        self._started, self._looking = time.perf_counter(), 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        update = trainer.global_step
        if update % self.every and update != trainer.max_steps:
            return
        began = time.perf_counter()
        pl_module.expert.eval()
        held_out, training = (
            [matrix for _, matrix in clip_similarities(pl_module.expert, clips)]
            for clips in (self.held_out, self.training)
        )
        pl_module.expert.train()
        seconds = round(began - self._started - self._looking, 1)
        quality = expert_quality(held_out, training)._asdict()
        self.rows.append({"update": update, "seconds": seconds, **quality})
        self._looking += time.perf_counter() - began


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """Train what is not there yet; compare all that is.

    Raises:
        UserError: no such arm, or the set has no test clips.
    """
    settings = cfg.recipes
    arms = [settings.arms] if isinstance(settings.arms, str) else settings.arms
    arms = [*settings.changes, PUBLISHED] if arms is None else list(arms)
    for arm in arms:
        if arm != PUBLISHED and arm not in settings.changes:
            known = ", ".join([*settings.changes, PUBLISHED])
            raise UserError(f"recipes.arms: there is no {arm}; there are {known}.")
    out = user_path(settings.out)
    curves: dict[str, list[list[dict[str, Any]]]] = {}
    for seed in settings.seeds:
        for arm in arms:
            file = out / f"{arm}_{seed}.json"
            if not file.is_file():
                rows = one_run(settings, arm, seed)
                with atomic_path(file) as path:
                    path.write_text(json.dumps(rows, indent=1) + "\n")
            rows = json.loads(file.read_text())
            curves.setdefault(arm, []).append(rows)
            last, found = rows[-1], reached(rows, settings)
            console.print(
                f"{arm}, seed {seed}: after {last['update']} updates pair accuracy "
                f"{last['pair_accuracy']:.3f}, balanced {last['balanced_accuracy']:.3f}; "
                f"both bars {f'after {found}' if found else 'not reached'}"
            )
    with atomic_path(out / "curves.png") as path:
        image(curves, settings).savefig(path, format="png", dpi=100)
    table = {arm: summary(runs, settings) for arm, runs in curves.items()}
    return {
        "ratio": ratio(curves, settings),
        "of": "updates of the published recipe until both bars (or until it ended), over the "
        "strong recipe's; the lowest of all seeds",
        "bars": [settings.pair_accuracy, settings.balanced_accuracy],
        "recipes": table,
        "curves": str(out / "curves.png"),
        "threads": torch.get_num_threads(),
    }


def overrides(settings: Recipes, arm: str) -> list[str]:
    """What an arm is, in Hydra's words."""
    if arm == PUBLISHED:
        return [*settings.published, *settings.common]
    return [*settings.strong, *settings.common, *settings.changes[arm]]


def one_run(settings: Recipes, arm: str, seed: int) -> list[dict[str, Any]]:
    """The looks at one run."""
    with TemporaryDirectory() as folder:
        cfg = composed([*overrides(settings, arm), f"seed={seed}"], settings.data_root, folder)
        storage = Storage(cfg.data.root, image_size=cfg.model.image_size, keep=True)
        training = list(storage.clips("train"))[::THRESHOLD_CLIPS]
        looks = Looks(storage.clips("test"), training, settings.every)
        fit(cfg, cfg.max_updates, looks)
    return looks.rows


def reached(rows: Sequence[dict[str, Any]], settings: Recipes) -> int | None:
    """The first look at which both accuracies are at their bars; None: at none."""
    bars = ("pair_accuracy", "balanced_accuracy")
    return next(
        (r["update"] for r in rows if all(r[bar] >= getattr(settings, bar) for bar in bars)), None
    )


def summary(runs: Sequence[Sequence[dict[str, Any]]], settings: Recipes) -> dict[str, Any]:
    """A row of the table: a value per seed."""
    return {
        "updates": runs[0][-1]["update"],
        "reached_at": [reached(rows, settings) for rows in runs],
        "pair_accuracy": [round(rows[-1]["pair_accuracy"], 3) for rows in runs],
        "balanced_accuracy": [round(rows[-1]["balanced_accuracy"], 3) for rows in runs],
        "best_balanced_accuracy": [
            round(max(row["balanced_accuracy"] for row in rows), 3) for rows in runs
        ],
        "seconds": median(rows[-1]["seconds"] for rows in runs),
    }


def ratio(curves: dict[str, list[list[dict[str, Any]]]], settings: Recipes) -> float | None:
    """How many times as long the published recipe takes, at least; None: the strong one fails."""
    found = []
    for strong, published in zip(curves.get("strong", []), curves.get(PUBLISHED, []), strict=False):
        needed = reached(strong, settings)
        if needed is None:
            return None
        found.append((reached(published, settings) or published[-1]["update"]) / needed)
    return round(min(found), 2) if found else None


def image(curves: dict[str, list[list[dict[str, Any]]]], settings: Recipes) -> Figure:
    """Both accuracies over updates: the mean of the seeds, and their spread."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    for axes, name in zip(
        figure.subplots(1, 2), ("pair_accuracy", "balanced_accuracy"), strict=True
    ):
        for arm, runs in curves.items():
            updates = [row["update"] for row in min(runs, key=len)]
            values = np.array([[row[name] for row in rows[: len(updates)]] for rows in runs])
            (line,) = axes.plot(updates, values.mean(axis=0), label=arm.replace("_", " "))
            axes.fill_between(
                updates, values.min(axis=0), values.max(axis=0), alpha=0.15, color=line.get_color()
            )
        axes.axhline(getattr(settings, name), color="black", linewidth=0.8, linestyle=":")
        axes.set(title=name.replace("_", " "), xlabel="updates", ylim=(0.45, 1))
    figure.legend(*axes.get_legend_handles_labels(), fontsize="small", loc="outside right center")
    return figure
