"""A run on one page, from what lies in its folder: curves, images, videos, settings, machine."""

from __future__ import annotations

import csv
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
from markupsafe import Markup

from w2l.chart import Series, line_chart
from w2l.html import data_address, page, render
from w2l.progress import duration

PAGE, SUMMARY = "report.html", "summary.json"
MOST_BYTES = 3_000_000  # of a video inside the page
IMAGES = 4  # of the run's course: first, last, and between
VIDEOS = 4
SPEAKERS = 30  # rows
LOG_LINES = 60

# What a value says, and what it should be: the end of docs/training.md says more.
MEANINGS = {
    "loss": "what is trained on; val/loss, of held-out clips, decides which checkpoint is best",
    "loss_over_chance": "1 is guessing; an expert that learns leaves it for good",
    "accuracy": "windows whose own speech is found among that of others",
    "pair_accuracy": "a window fits its own speech better than speech of the same clip 5 or more "
    "frames away: 0.5 is guessing, and this is the first to move",
    "balanced_accuracy": "in sync or not, told by one threshold fitted on training clips",
    "offset_within_1": "clips whose offset, within 15 frames, is found to a frame",
    "loss_l1": "mean difference of generated and true faces, of 1",
    "loss_sync": "what the expert says against the generated lips; logged from the start, counted "
    "once train/sync_weight is above 0",
    "sync_weight": "share of the sync loss in what is trained on",
    "dubbed_cosine": "lips that say another clip's words, by the expert that is trained against, "
    "which flatters; it should rise well above given_cosine",
    "given_cosine": "the same faces undubbed: where dubbing starts from",
    "discriminator_accuracy": "0.5 to 0.9 is a fair game",
    "lse_d": "distance by SyncNet v2 (lower is better), of face crops: within a run only",
    "lse_c": "confidence by SyncNet v2 (higher is better), of face crops: within a run only",
    "grad_norm": "length of the gradients",
    "lr": "the rate",
}


def document(folder: Path, summary: dict[str, Any]) -> str:
    """The whole page.

    Args:
        folder: of the run.
        summary: what `RunPage.summary` says of it.
    """
    curves = read_curves(folder)
    chances = {_short(each["name"]): each["chance"] for each in summary["watched"]}
    main = dict.fromkeys(_short(each["name"]) for each in summary["watched"])
    charts = {name: chart(name, stages, chances.get(name)) for name, stages in curves.items()}
    environment = _read_json(folder / "environment.json")
    body = render(
        "run.html",
        run=summary,
        folder=str(folder),
        headline=list(_headline(summary)),
        left=None if summary["seconds_left"] is None else duration(summary["seconds_left"]),
        took=duration(summary["seconds_now"]),
        watched=[_row(each, summary["meanings"]) for each in summary["watched"]],
        main=[charts[name] for name in main if name in charts],
        others=[charts[name] for name in charts if name not in main],
        samples=list(course(folder / "samples")),
        similarities=list(course(folder / "validation")),
        videos=list(videos(folder / "samples")),
        speakers=speakers(folder / "validation"),
        warnings=warnings(folder / "train.log"),
        log=_log(folder / "train.log")[-LOG_LINES:],
        command=" ".join(map(_plain, environment.pop("command", []))),
        environment=environment,
        config=_read(folder / "config.yaml"),
        places=[name for name in ("train.log", "csv/metrics.csv", "samples", "validation",
                                  "checkpoints", "config.yaml", "summary.json")
                if (folder / name).exists() or name == SUMMARY],
    )  # fmt: skip
    return page(f"{summary['experiment']}: {folder.name}", [body])


def read_curves(folder: Path) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Of `csv/metrics.csv`: value → stage → (updates, value), in the order of its columns."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(dict)
    path = folder / "csv" / "metrics.csv"
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            update = float(row["step"] or "nan") + 1  # rows count updates from 0
            for name, text in row.items():
                stage, slash, value = name.partition("/")
                if slash and text:
                    found[value].setdefault(stage, []).append((update, float(text)))
    return found


def chart(
    name: str, stages: dict[str, list[tuple[float, float]]], chance: float | None
) -> dict[str, Any]:
    """The curves of one value, with its meaning."""
    series = [Series(stage, points, dotted=stage == "val") for stage, points in stages.items()]
    order = {"train": 0, "val": 1}
    series.sort(key=lambda each: order.get(each.name, 2))
    return {
        "name": name,
        "lines": [each.name for each in series],
        "meaning": MEANINGS.get(name, ""),
        "svg": Markup(line_chart(series, chance=chance)),
    }


def course(folder: Path) -> Iterator[tuple[int, str]]:
    """Update and address of a few images of a folder, newest first."""
    paths = sorted(folder.glob("[0-9]*.png"), reverse=True)
    steps = max(1, len(paths) - 1) / (IMAGES - 1)
    chosen = sorted({min(round(i * steps), len(paths) - 1) for i in range(IMAGES)} if paths else ())
    for i in chosen:
        image = cv2.imread(str(paths[i]))
        if image is not None:
            file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            yield int(paths[i].stem), data_address(file, "image/jpeg")


def videos(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and address of the newest update's videos: inside the page, or beside it if large."""
    newest = max((path.stem.partition("_")[0] for path in folder.glob("[0-9]*.mp4")), default="")
    for path in sorted(folder.glob(f"{newest}_*.mp4"))[:VIDEOS] if newest else ():
        inside = path.stat().st_size <= MOST_BYTES
        address = data_address(path.read_bytes(), "video/mp4") if inside else f"samples/{path.name}"
        yield path.name, address


def speakers(folder: Path) -> list[dict[str, Any]]:
    """Rows of the newest validation, the worst told first."""
    newest = max(folder.glob("[0-9]*.json"), default=None)
    rows: list[dict[str, Any]] = [] if newest is None else _read_json(newest).get("speakers", [])
    return sorted(rows, key=lambda row: row.get("pair_accuracy", math.inf))[:SPEAKERS]


def warnings(log: Path) -> list[str]:
    """What the run warned of, each sentence once."""
    marks = ("warning: ", "error: ")
    found = (line[20:] for line in _log(log) if line[20:].startswith(marks))
    return list(dict.fromkeys(found))


def _headline(summary: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The monitored value and those that say how far from chance the run is."""
    last = {each["name"]: each["last"] for each in summary["watched"]}
    for each in summary["watched"]:
        is_monitor = each["name"] == summary["monitor"]
        if not is_monitor and each["chance"] is None and "dubbed" not in each["name"]:
            continue
        notes = []
        if each["chance"] is not None:
            notes.append(f"guessing gives {each['chance']:g}")
        if "dubbed" in each["name"] and "val/given_cosine" in last:
            notes.append(f"undubbed {last['val/given_cosine']:.4g}")
        if each["best"] is not None:
            notes.append(f"best {each['best']:.4g} at update {each['best_update']}")
        yield {
            "name": each["name"],
            "value": f"{each['last']:.4g}",
            "note": "; ".join(notes),
        }


def _row(watched: dict[str, Any], meanings: dict[str, str]) -> dict[str, Any]:
    name = watched["name"]
    return watched | {"meaning": meanings.get(name, MEANINGS.get(_short(name), ""))}


def _short(name: str) -> str:
    return name.partition("/")[2]


def _plain(argument: str) -> str:
    """An argument without the quotes that Hydra's grammar would need, where none are."""
    return re.sub(r"'([\w@%+=:,./-]*)'", r"\1", argument)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(_read(path) or "{}")  # type: ignore[no-any-return]


def _log(path: Path) -> Sequence[str]:
    return _read(path).splitlines()
