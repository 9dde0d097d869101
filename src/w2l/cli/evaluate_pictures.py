"""`reference=` of evaluate.py: generated videos beside the ones that they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from w2l.checkpoints import load_inception, load_lpips, resolve
from w2l.cli.keys.evaluate import Evaluate
from w2l.components import FaceDetector
from w2l.errors import UserError
from w2l.files import identity
from w2l.inference import pick_device
from w2l.metrics.fid import FrechetDistance
from w2l.paths import user_path
from w2l.scoring.identity import FaceIdentity
from w2l.scoring.landmarks import DlibLandmarks, Landmarks
from w2l.scoring.picture_set import compare_pairs, fid_scores, references
from w2l.scoring.pictures import AGAINST_TARGET, METRICS, PROTOCOL, PictureScorer
from w2l.scoring.report import short_names
from w2l.weights import registry

# The key that gives a metric its network, and how to give it.
NEEDS = {
    "lpips": ("lpips", "lpips=[vgg16-397923af.pth,vgg.pth]"),
    "lmd": ("landmarks", "landmarks=dlib, fan_2d4 or a file"),
    "face_lmd": ("landmarks", "landmarks=dlib, fan_2d4 or a file"),
    "fid": ("inception", "inception=fid_inception"),
    "identity": ("identity", "identity=FILE.onnx"),
}


DLIB = "dlib"


def wanted_pairs(settings: Evaluate, videos: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Videos and references that are to be compared, before anything is computed.

    Raises:
        UserError: a reference is missing, or `metrics=` or `setting=` is wrong.
    """
    if settings.reference is None:
        if settings.metrics is not None:
            raise UserError("metrics= compares with a reference: give reference=FILE or FOLDER.")
        return []
    chosen(settings)
    return list(references(videos, user_path(settings.reference)))


@dataclass(frozen=True)
class Comparison:
    """Pairs that are to be compared, and the networks for it.

    Attributes:
        pairs: of a generated video and its reference.
        scorer: with its networks loaded.
        weights: file and hash of each of these: "inception", "landmarks", "identity", and "lpips"
            with two.
        frechet: what the scorer adds to, for "fid".
    """

    pairs: Sequence[tuple[Path, Path]]
    scorer: PictureScorer
    weights: dict[str, Any]
    frechet: FrechetDistance | None = None

    def run(self, console: Console) -> dict[str, Any]:
        """The field `pictures` of scores.json; shows it as a table."""
        rows = list(compare_pairs(self.scorer, self.pairs))
        scored = [row for row in rows if "error" not in row]
        names = [name for name in self.scorer.metrics if name != "fid"]
        known = {name: [row[name] for row in scored if np.isfinite(row[name])] for name in names}
        of_set: dict[str, Any] = {}
        if self.frechet is not None:
            released = registry()["fid_inception"].sha256
            published = self.weights["inception"]["sha256"] == released
            of_set = fid_scores(self.frechet, published)
        compared = {
            "protocol": PROTOCOL,
            "setting": self.scorer.setting,
            "clips": rows,
            "mean": {name: fmean(known[name]) if known[name] else float("nan") for name in names},
            "count": {name: len(known[name]) for name in names},
            **of_set,
            **self.weights,
            "n_scored": len(scored),
            "n_failed": len(rows) - len(scored),
        }
        show(compared, console)
        return compared


def load_comparison(
    settings: Evaluate, pairs: Sequence[tuple[Path, Path]], detector: FaceDetector,
    audio: Path | None,
) -> Comparison:  # fmt: skip
    """Load the networks of the metrics that are asked for.

    Raises:
        UserError: a metric, file or setting is wrong.
    """
    device = pick_device(settings.device)
    metrics = chosen(settings)
    frechet = lpips = None
    weights: dict[str, Any] = {}
    if "fid" in metrics:
        inception = resolve(str(settings.inception))
        frechet = FrechetDistance(load_inception(inception, device))
        weights["inception"] = identity(inception)
    if "lpips" in metrics:
        files = [user_path(file) for file in settings.lpips or ()]
        lpips = load_lpips(*files).to(device)
        weights["lpips"] = list(map(identity, files))
    landmarks = embedder = None
    if {"lmd", "face_lmd"} & set(metrics):
        landmarks = load_landmarks(settings.landmarks, device)
        weights["landmarks"] = identity(landmarks.path)
    if "identity" in metrics:
        file = resolve(str(settings.identity))
        embedder = FaceIdentity(file, str(device))
        weights["identity"] = identity(file)
    scorer = PictureScorer(
        detector, metrics, settings.setting, lpips, frechet, landmarks, embedder, len(pairs),
        audio,
    )  # fmt: skip
    return Comparison(pairs, scorer, weights, frechet)


def load_landmarks(given: str | None, device: Any) -> Landmarks | DlibLandmarks:
    """What finds 68 landmarks: dlib, which the extra `lips` brings, or a network.

    Raises:
        UserError: it is not installed, or there is no such network.
    """
    if given in {None, DLIB}:
        return DlibLandmarks()
    return Landmarks(resolve(str(given)), device)


def raise_if_none(compared: dict[str, Any]) -> None:
    """End with an error where no pair could be compared.

    Raises:
        UserError: so.
    """
    if not compared["n_scored"]:
        error = compared["clips"][0]["error"]
        raise UserError(f"No video could be compared with its reference. {error}")


def chosen(settings: Evaluate) -> list[str]:
    """The metrics to compute: those named, or all that need nothing else.

    Raises:
        UserError: one is unknown, cannot be had in this setting, or lacks its weights.
    """
    setting, named = settings.setting, settings.metrics
    named = [named] if isinstance(named, str) else named
    for name in named or ():
        if name not in METRICS:
            raise UserError(f"metrics={name} is not known: choose some of {', '.join(METRICS)}.")
        if setting == "cross" and name in AGAINST_TARGET:
            raise UserError(
                f"metrics={name} compares with the wanted picture, which setting=cross does not "
                "have: a video that says something else has no target."
            )
        if name in NEEDS and not getattr(settings, NEEDS[name][0]):
            raise UserError(f"metrics={name} needs its weights: give {NEEDS[name][1]}.")
    lpips = settings.lpips
    if lpips is not None and not (isinstance(lpips, list) and len(lpips) == 2):
        raise UserError("lpips= takes two files: [vgg16-397923af.pth,vgg.pth].")
    if named:
        return list(named)
    return [
        name
        for name in METRICS
        if (name not in NEEDS or getattr(settings, NEEDS[name][0]))
        and not (setting == "cross" and name in AGAINST_TARGET)
    ]


def show(compared: dict[str, Any], console: Console) -> None:
    """The table, the protocol, and the set's Fréchet distance."""
    rows, means, counts = compared["clips"], compared["mean"], compared["count"]
    table = Table(title=f"Pictures, {compared['setting']}", box=SIMPLE_HEAD, show_footer=True)
    table.add_column("clip", footer="mean", overflow="fold")
    for name, mean in means.items():
        few = "" if counts[name] == compared["n_scored"] else f"\nof {counts[name]} clips"
        table.add_column(name, justify="right", footer=f"{mean:.3f}{few}")
    for label, row in zip(short_names([row["path"] for row in rows]), rows, strict=True):
        failed = "error" in row
        table.add_row(label, *("failed" if failed else f"{row[name]:.3f}" for name in means))
    console.print(table, markup=False)
    console.print(f"{compared['n_scored']} pairs compared, {compared['n_failed']} not.")
    for row in rows:
        if "error" in row:
            console.print(f"not compared: {row['error']}", soft_wrap=True, markup=False)
    name = "fid" if "fid" in compared else "frechet_distance_stand_in"
    if name in compared:
        title = "FID" if name == "fid" else "Fréchet distance of stand-in features (no FID)"
        few = "" if compared["enough_pictures"] else "; too few pictures for a stable number"
        console.print(
            f"{title}: {compared[name]:.3f}; real against real "
            f"{compared[f'{name}_real_against_real']:.3f} "
            f"({compared['n_generated']} generated, {compared['n_real']} real{few})",
            soft_wrap=True,
        )
    console.print(f"Protocol: {PROTOCOL}", soft_wrap=True, markup=False)
