"""`reference=` of evaluate.py: generated videos beside the ones that they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from w2l.checkpoints import load_inception, load_lpips, resolve
from w2l.errors import UserError
from w2l.faces import FaceDetector
from w2l.files import sha256
from w2l.metrics.fid import FrechetDistance
from w2l.scoring.pictures import (
    AGAINST_TARGET,
    METRICS,
    PROTOCOL,
    PictureScorer,
    fid_scores,
    references,
)
from w2l.scoring.report import short_names
from w2l.weights import registry


def wanted_pairs(settings: dict[str, Any], videos: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Videos and references that are to be compared, before anything is computed.

    Raises:
        UserError: a reference is missing, or `metrics=` or `setting=` is wrong.
    """
    if settings["reference"] is None:
        if settings["metrics"] is not None:
            raise UserError("metrics= compares with a reference: give reference=FILE or FOLDER.")
        return []
    chosen(settings)
    return list(references(videos, Path(str(settings["reference"])).expanduser()))


def compare_pictures(
    settings: dict[str, Any], pairs: Sequence[tuple[Path, Path]], detector: FaceDetector,
    device: str, console: Console,
) -> dict[str, Any]:  # fmt: skip
    """The field `pictures` of scores.json; shows it as a table.

    Raises:
        UserError: a metric, file or setting is wrong, or no pair can be scored.
    """
    metrics = chosen(settings)
    frechet, published, inception = None, False, None
    if "fid" in metrics:
        inception = resolve(str(settings["inception"]))
        published = (digest := sha256(inception)) == registry()["fid_inception"].sha256
        frechet = FrechetDistance(load_inception(inception, device))
        inception_identity = {"file": str(inception), "sha256": digest}
    lpips = None
    if "lpips" in metrics:
        vgg, heads = settings["lpips"]
        lpips = load_lpips(vgg, heads).to(device)
    scorer = PictureScorer(detector, metrics, settings["setting"], lpips, frechet, len(pairs))
    rows: list[dict[str, Any]] = []
    for video, reference in pairs:
        row: dict[str, Any] = {"path": str(video), "reference": str(reference)}
        try:
            rows.append(row | scorer.score(video, reference))
        except UserError as error:
            rows.append(row | {"error": str(error)})
    scored = [row for row in rows if "error" not in row]
    if not scored:
        raise UserError(f"No video could be compared with its reference. {rows[0]['error']}")
    names = [name for name in metrics if name != "fid"]
    means = {name: _mean([row[name] for row in scored]) for name in names}
    of_set: dict[str, Any] = {}
    if frechet is not None:
        of_set = {**fid_scores(frechet, published), "inception": inception_identity}
    show(rows, names, means, of_set, settings["setting"], console)
    return {
        "protocol": PROTOCOL, "setting": settings["setting"], "clips": rows, "mean": means,
        **of_set, "n_scored": len(scored), "n_failed": len(rows) - len(scored),
    }  # fmt: skip


def chosen(settings: dict[str, Any]) -> list[str]:
    """The metrics to compute: those named, or all that need nothing else.

    Raises:
        UserError: one is unknown, cannot be had in this setting, or lacks its weights.
    """
    setting, named = settings["setting"], settings["metrics"]
    if setting not in {"reconstruction", "cross"}:
        raise UserError(f"setting={setting} is not known: choose reconstruction or cross.")
    for name in named or ():
        if name not in METRICS:
            raise UserError(f"metrics={name} is not known: choose some of {', '.join(METRICS)}.")
        if setting == "cross" and name in AGAINST_TARGET:
            raise UserError(
                f"metrics={name} compares with the wanted picture, which setting=cross does not "
                "have: a video that says something else has no target."
            )
        if (name == "fid" and not settings["inception"]) or (
            name == "lpips" and not settings["lpips"]
        ):
            key = (
                "inception=fid_inception" if name == "fid" else "lpips=[vgg16-397923af.pth,vgg.pth]"
            )
            raise UserError(f"metrics={name} needs its weights: give {key}.")
    if settings["lpips"] is not None and len(settings["lpips"]) != 2:
        raise UserError("lpips= takes two files: [vgg16-397923af.pth,vgg.pth].")
    if named:
        return list(named)
    unavailable = {"fid": not settings["inception"], "lpips": not settings["lpips"]}
    return [
        name
        for name in METRICS
        if not unavailable.get(name) and not (setting == "cross" and name in AGAINST_TARGET)
    ]


def show(
    rows: Sequence[dict[str, Any]], names: Sequence[str], means: dict[str, float],
    of_set: dict[str, Any], setting: str, console: Console,
) -> None:  # fmt: skip
    """The table, the protocol, and the set's Fréchet distance."""
    table = Table(title=f"Pictures, {setting}", box=SIMPLE_HEAD, show_footer=True)
    table.add_column("clip", footer="mean", overflow="fold")
    for name in names:
        table.add_column(name, justify="right", footer=f"{means[name]:.3f}")
    for label, row in zip(short_names([row["path"] for row in rows]), rows, strict=True):
        failed = "error" in row
        table.add_row(label, *("failed" if failed else f"{row[name]:.3f}" for name in names))
    console.print(table, markup=False)
    for row in rows:
        if "error" in row:
            console.print(f"not compared: {row['error']}", soft_wrap=True, markup=False)
    if of_set:
        name = "fid" if "fid" in of_set else "frechet_distance_stand_in"
        title = "FID" if name == "fid" else "Fréchet distance of stand-in features (no FID)"
        few = "" if of_set["enough_pictures"] else "; too few pictures for a stable number"
        console.print(
            f"{title}: {of_set[name]:.3f}; real against real "
            f"{of_set[f'{name}_real_against_real']:.3f} "
            f"({of_set['n_generated']} generated, {of_set['n_real']} real{few})",
            soft_wrap=True,
        )
    console.print(f"Protocol: {PROTOCOL}", soft_wrap=True, markup=False)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return fmean(known) if known else float("nan")
