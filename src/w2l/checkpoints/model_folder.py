"""A network as a folder that is ready to upload: weights, config, metrics, model card."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from w2l import __version__
from w2l.checkpoints.load import ENOUGH_SPEAKERS, Checkpoint
from w2l.checkpoints.networks import label
from w2l.checkpoints.publish import export_safetensors, trained
from w2l.errors import UserError
from w2l.files import atomic_path, sha256
from w2l.html import render
from w2l.weights.hub import MODEL

CARD = "README.md"


def write_model_folder(
    path_in: str | Path,
    folder: str | Path,
    network: str | None = None,
    *,
    half: bool = False,
    licence: str | None = None,
) -> None:
    """Write `model.safetensors`, `config.json`, `metrics.json` and a card into a new folder.

    Metrics are those of the validation after the checkpoint's update, where the file still lies in
    its run's folder. `hf:owner/name` loads what was uploaded.

    Args:
        path_in: a checkpoint of any packing.
        folder: to write, as a whole; its name is the model's.
        network: which network of a training's file; by default what was trained.
        half: convolutions' weights as float16.
        licence: of the weights, by its identifier on the Hub; None: "other", and the card says
            that it is to be stated.

    Raises:
        UserError: the folder is there, or the checkpoint cannot be used.
    """
    path_in, folder = Path(path_in), Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is there, and not empty: name a new folder.")
    checkpoint = trained(path_in, network)
    run = run_of(path_in)
    metrics = metrics_at(run, checkpoint.global_step) if run is not None else {}
    summary = _read(run / "summary.json") if run is not None else {}
    with atomic_path(folder) as made:
        made.mkdir()
        export_safetensors(path_in, made / MODEL, network, half=half)
        _write(made / "config.json", config_of(checkpoint))
        if metrics:
            _write(made / "metrics.json", {"update": checkpoint.global_step, **metrics})
        card = render(
            "model_card.md",
            name=folder.resolve().name,
            licence=licence,
            checkpoint=checkpoint,
            kind=label(checkpoint.network),
            enough=ENOUGH_SPEAKERS,
            metrics=metrics,
            experiment=summary.get("experiment"),
            splits=summary.get("data", {}).get("splits", {}),
            version=__version__,
            sha256=sha256(made / MODEL),
            size=f"{(made / MODEL).stat().st_size / 1e6:.1f} MB",
            half=half,
        )
        (made / CARD).write_text(card, encoding="utf-8", newline="\n")


def config_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the metadata of the weights state, for people and for the Hub."""
    known = {
        "target": checkpoint.target,
        "pads": checkpoint.pads,
        "speakers": checkpoint.speakers,
        "global_step": checkpoint.global_step or None,
    }
    return {
        "library_name": "w2l",
        "w2l_version": __version__,
        "network": checkpoint.network,
        "config": checkpoint.config,
        **{key: value for key, value in known.items() if value is not None},
    }


def run_of(checkpoint: Path) -> Path | None:
    """The run's folder that a checkpoint still lies in."""
    folder = checkpoint.resolve().parent.parent
    return folder if (folder / "summary.json").is_file() else None


def metrics_at(run: Path, update: int) -> dict[str, float]:
    """What the validation after an update logged."""
    path = run / "csv" / "metrics.csv"
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["step"] == str(update - 1)]
    values = {name: float(text) for row in rows for name, text in row.items()
              if name.startswith("val/") and text}  # fmt: skip
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
