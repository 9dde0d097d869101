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

from w2l.building import Component, named_group
from w2l.checkpoints import load_inception, load_lpips, resolve
from w2l.cli.keys.evaluate import Evaluate
from w2l.components import FaceDetector, LandmarkFinder, SetMetric
from w2l.errors import UserError
from w2l.files import identity
from w2l.inference import pick_device
from w2l.paths import user_path
from w2l.scoring.identity import FaceIdentity
from w2l.scoring.image_set import compare_pairs, references
from w2l.scoring.images import ImageScorer
from w2l.scoring.report import short_names
from w2l.weights import registry

# The keys that give a metric its network, the argument of that name, and how to give it.
NETWORKS = {
    "lpips": "lpips=[vgg16-397923af.pth,vgg.pth]",
    "landmarks": "landmarks=dlib, fan_2d4 or a file",
    "inception": "inception=fid_inception",
    "identity": "identity=FILE.onnx",
}
GIVEN = (*NETWORKS, "is_published", "n_pairs")
DLIB = "dlib"


def wanted_pairs(settings: Evaluate, videos: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Videos and references that are to be compared, before anything is computed.

    Raises:
        UserError: a reference is missing, or `metrics=` or `setting=` is wrong.
    """
    if settings.reference is None:
        if settings.metrics:
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
        weights: file and hash of each of these, and of the files of metrics of one's own.
        setting: "reconstruction": the generated video says what its reference says, so frame i is
            to look like frame i; "cross": it says something else, and only what needs no target
            can be measured. "identity" is one of these: frame i shows the same person.
    """

    pairs: Sequence[tuple[Path, Path]]
    scorer: ImageScorer
    weights: dict[str, Any]
    setting: str = "reconstruction"

    def run(self, console: Console) -> dict[str, Any]:
        """The field `images` of scores.json; shows it as a table."""
        rows = list(compare_pairs(self.scorer, self.pairs))
        scored = [row for row in rows if "error" not in row]
        names = self.scorer.of_a_clip
        known = {name: [row[name] for row in scored if np.isfinite(row[name])] for name in names}
        of_set: dict[str, Any] = {}
        sentences = []
        for metric in self.scorer.metrics.values():
            if isinstance(metric, SetMetric):
                found, sentence = metric.of_set()
                of_set |= found
                sentences.append(sentence)
        compared = {
            "protocol": self.scorer.protocol,
            "setting": self.setting,
            "clips": rows,
            "mean": {name: fmean(known[name]) if known[name] else float("nan") for name in names},
            "count": {name: len(known[name]) for name in names},
            **of_set,
            **self.weights,
            "n_scored": len(scored),
            "n_failed": len(rows) - len(scored),
        }
        show(compared, sentences, console)
        return compared


def load_comparison(
    settings: Evaluate, pairs: Sequence[tuple[Path, Path]], detector: FaceDetector,
    audio: Path | None,
) -> Comparison:  # fmt: skip
    """Load the networks of the metrics that are asked for.

    Raises:
        UserError: a metric, file or setting is wrong.
    """
    device, chosen_metrics = pick_device(settings.device), chosen(settings)
    wanted = {name for each in chosen_metrics.values() for name in each.takes()}
    given: dict[str, Any] = {"device": str(device), "n_pairs": len(pairs)}
    weights: dict[str, Any] = {}
    if "inception" in wanted and settings.inception:
        file = resolve(settings.inception)
        weights["inception"] = identity(file)
        given["inception"] = load_inception(file, device)
        published = registry()["fid_inception"].sha256
        given["is_published"] = weights["inception"]["sha256"] == published
    if "lpips" in wanted and settings.lpips:
        files = [user_path(file) for file in settings.lpips]
        given["lpips"] = load_lpips(*files).to(device)
        weights["lpips"] = list(map(identity, files))
    if "landmarks" in wanted and settings.landmarks:
        given["landmarks"], weights["landmarks"] = load_landmarks(settings)
    if "identity" in wanted and settings.identity:
        file = resolve(settings.identity)
        given["identity"] = FaceIdentity(file, str(device))
        weights["identity"] = identity(file)
    for name, component in chosen_metrics.items():
        if own := component.files():
            weights[name] = list(map(identity, own))
    metrics = {name: each.build(**given) for name, each in chosen_metrics.items()}
    return Comparison(pairs, ImageScorer(detector, metrics, audio), weights, settings.setting)


def load_landmarks(settings: Evaluate) -> tuple[LandmarkFinder, dict[str, str] | None]:
    """What finds 68 landmarks, by default dlib; and file and hash of its network, if it has one.

    Raises:
        UserError: it is not installed, or there is no such network.
    """
    component = settings.landmarks or Component.of(named_group("landmarks", DLIB))
    finder = component.build(device=str(pick_device(settings.device)))
    files = component.files()
    return finder, identity(files[0]) if files else None


def raise_if_none(compared: dict[str, Any]) -> None:
    """End with an error where no pair could be compared.

    Raises:
        UserError: so.
    """
    if not compared["n_scored"]:
        error = compared["clips"][0]["error"]
        raise UserError(f"No video could be compared with its reference. {error}")


def chosen(settings: Evaluate) -> dict[str, Component]:
    """The metrics to compute, by name: those named, or all of w2l that need nothing else.

    Raises:
        UserError: one cannot be had in this setting, lacks its network, or is wrong.
    """
    lpips = settings.lpips
    if lpips is not None and not (isinstance(lpips, list) and len(lpips) == 2):
        raise UserError("lpips= takes two files: [vgg16-397923af.pth,vgg.pth].")
    named = settings.metrics
    every = named_group("metrics", "all")["defaults"]
    groups = named or {name: named_group("metrics", name)[name] for name in every}
    found = {}
    for name, group in groups.items():
        component = Component.of(group)
        against = settings.setting == "cross" and component.says("needs_target", False)
        lacks = [key for key in NETWORKS if not getattr(settings, key)]
        lacks = sorted(component.required() & set(lacks))
        if named and against:
            raise UserError(
                f"metrics={name} compares with the wanted image, which setting=cross does not "
                "have: a video that says something else has no target."
            )
        if named and lacks:
            raise UserError(f"metrics={name} needs its weights: give {NETWORKS[lacks[0]]}.")
        if not against and not lacks:
            found[name] = component.check(*GIVEN)
    return found


def show(compared: dict[str, Any], of_set: Sequence[str], console: Console) -> None:
    """The table, what is of the whole set, and the protocol."""
    rows, means, counts = compared["clips"], compared["mean"], compared["count"]
    table = Table(title=f"Images, {compared['setting']}", box=SIMPLE_HEAD, show_footer=True)
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
    for sentence in of_set:
        console.print(sentence, soft_wrap=True)
    console.print(f"Protocol: {compared['protocol']}", soft_wrap=True, markup=False)
