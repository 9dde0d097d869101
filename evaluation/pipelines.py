"""`pipelines=`: the same videos scored by each pipeline that papers use, in one table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from evaluation.keys import Evaluation
from w2l.building import CONFIG_DIR
from w2l.cli.evaluate import build_evaluator
from w2l.cli.help import defaults
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.presets import PUBLISHED, Preset, preset_settings
from w2l.errors import UserError
from w2l.filelists import find_videos
from w2l.files import atomic_path, new_folder, write_text
from w2l.paths import readable, user_path
from w2l.progress import counted
from w2l.schema import read
from w2l.scoring import evaluate
from w2l.scoring.report import write_json
from w2l.scoring.results import finite, video_scores

DEFAULT, LRS = "default", "lrs"
SHOWN = ("lse_d", "lse_c", "offset")
HEADER = ("pipeline", "scored", "LSE-D ↓", "moved", "LSE-C ↑", "moved", "offset")
CARRIED = ("syncnet", "device", "batch_size", "box")  # keys that evaluate.py has, too
NOTE = (
    "Means over the {n} videos that all pipelines score; moved: from `default`, evaluate.py's own. "
    "`lrs` sees whole frames, and means something only of clips that are centred on a face."
)


def compare_pipelines(settings: Evaluation, console: Console) -> None:
    """Score the videos by each pipeline; write and show how far the numbers are apart.

    Raises:
        UserError: there are no videos, or no pipeline can be had.
    """
    videos = find_videos(str(settings.pipelines))
    found: dict[str, dict[str, Any]] = {}
    for name, chosen in pipelines(settings).items():
        console.print(f"{name}:", markup=False)
        evaluator, weights = build_evaluator(read(Evaluate, chosen), console)
        clips = [
            next(evaluate(evaluator, [video]))
            for video in counted(videos, len(videos), Console(stderr=True), name, "videos")
        ]
        rule = chosen["video_score"]
        found[name] = {
            "settings": {key: chosen[key] for key in RECORDED},
            "weights": weights,
            "clips": [
                {"path": clip.path, "n_tracks": len(clip.tracks), "error": clip.error}
                | {key: video_scores(clip, rule)[key] for key in SHOWN if clip.tracks}
                for clip in clips
            ],
        }
    scores = finite(summary(found))
    if settings.out is not None:
        folder = user_path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        write(scores, folder)
    else:
        with new_folder(Path("outputs"), "pipelines") as folder:
            write(scores, folder)
    show(scores, console)
    console.print(str(folder), soft_wrap=True, markup=False)
    if not scores["n_shared"]:
        errors = [each["error"] for pipe in found.values() for each in pipe["clips"]]
        raise UserError(f"No video is scored by all pipelines: {next(filter(None, errors))}")


RECORDED = (
    "protocol", "chain", "video_score", "precision", "detector", "detect_every", "min_face_score",
    "min_track_frames", "min_face_size", "shots", "convert_rate", "keep_offset", "jpeg",
)  # fmt: skip


def pipelines(settings: Evaluation) -> dict[str, dict[str, Any]]:
    """Name → the settings of evaluate.py.

    Those of papers look for faces with S3FD and `default` with its own detector, or all with the
    one that is given.
    """
    base = defaults(CONFIG_DIR, Evaluate) | {key: getattr(settings, key) for key in CARRIED}
    base |= {"expert": "none"}
    given = set[str]()
    if not Preset.named("evaluate", PUBLISHED).is_for(settings.detector):
        given, base["detector"] = {"detector"}, settings.detector.group()
    chosen = {DEFAULT: base}
    for preset in ("wav2lip", "latentsync", "mochabench"):
        chosen[preset] = preset_settings(Preset.named("evaluate", preset), base, given)
    lrs = preset_settings(Preset.named("evaluate", PUBLISHED), base, given) | {"protocol": LRS}
    return chosen | {LRS: lrs}


def summary(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The pipelines with their means over the videos that all of them score, and how they moved."""
    scored = [[clip["error"] is None for clip in pipe["clips"]] for pipe in found.values()]
    shared = [number for number, each in enumerate(zip(*scored, strict=True)) if all(each)]
    if not shared:
        blank: dict[str, Any] = dict.fromkeys(SHOWN)
        means, spread = dict.fromkeys(found, blank), blank
        moved = means
    else:
        means = {
            name: {key: fmean(pipe["clips"][i][key] for i in shared) for key in SHOWN}
            for name, pipe in found.items()
        }
        own = means[DEFAULT]
        moved = {name: {key: mean[key] - own[key] for key in SHOWN} for name, mean in means.items()}
        columns = {key: [mean[key] for mean in means.values()] for key in SHOWN}
        spread = {key: max(values) - min(values) for key, values in columns.items()}
    pipes = {
        name: {
            "mean": means[name],
            "moved": moved[name],
            "n_scored": sum(clip["error"] is None for clip in pipe["clips"]),
            **pipe,
        }
        for name, pipe in found.items()
    }
    return {"kind": "pipelines", "n_shared": len(shared), "spread": spread, "pipelines": pipes}


def table_rows(scores: Mapping[str, Any]) -> list[list[str]]:
    """A row a pipeline, under `HEADER`."""
    return [
        [
            name, str(pipe["n_scored"]), _number(pipe["mean"]["lse_d"]),
            _number(pipe["moved"]["lse_d"], "+"), _number(pipe["mean"]["lse_c"]),
            _number(pipe["moved"]["lse_c"], "+"), _number(pipe["mean"]["offset"], "+", 2),
        ]
        for name, pipe in scores["pipelines"].items()
    ]  # fmt: skip


def _number(value: float | None, sign: str = "", digits: int = 3) -> str:
    return "–" if value is None else f"{value:{sign}.{digits}f}"


def show(scores: Mapping[str, Any], console: Console) -> None:
    """The table in the terminal, and what could not be scored."""
    table = Table(*HEADER, box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in table_rows(scores):
        table.add_row(*row)
    console.print(table)
    console.print(NOTE.format(n=scores["n_shared"]), markup=False)
    for name, pipe in scores["pipelines"].items():
        for clip in pipe["clips"]:
            if clip["error"] is not None:
                told = f"{name}: {clip['path']}: {clip['error']}"
                console.print(told, soft_wrap=True, markup=False)


def write(scores: Mapping[str, Any], folder: Path) -> None:
    """`pipelines.json`, `.csv` with a row for each video and pipeline, and `.md`, the table."""
    write_json(dict(scores), folder / "pipelines.json")
    names = ("pipeline", "path", *SHOWN, "n_tracks", "error")
    with (
        atomic_path(folder / "pipelines.csv") as path,
        path.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for name, pipe in scores["pipelines"].items():
            for clip in pipe["clips"]:
                writer.writerow(clip | {"pipeline": name, "path": readable(clip["path"])})
    write_text(folder / "pipelines.md", markdown(scores))


def markdown(scores: Mapping[str, Any]) -> str:
    """The table, and what its numbers are of."""
    lines: Sequence[Sequence[str]] = [HEADER, ["---"] * len(HEADER), *table_rows(scores)]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{text}\n{NOTE.format(n=scores['n_shared'])}\n"
