"""`lips=true` of evaluate.py: lips against sound without a network for sync."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from w2l.audio.speech import check_speech_finder
from w2l.cli.evaluate_images import load_landmarks
from w2l.cli.keys.evaluate import Evaluate
from w2l.components import FaceDetector
from w2l.progress import counted
from w2l.scoring.lips import NAMES, PROTOCOL, LipScorer, score_each, summarized
from w2l.scoring.report import NONE, short_names, shortened


def build_lip_scorer(
    settings: Evaluate, detector: FaceDetector | None, weights: dict[str, Any]
) -> LipScorer | None:
    """The scorer, its landmarks' file added to `weights`; None: nobody asks.

    Raises:
        UserError: a package that it needs is not installed.
    """
    if not settings.lips:
        return None
    assert detector is not None
    check_speech_finder()
    landmarks, weights["landmarks"] = load_landmarks(settings)
    return LipScorer(detector, landmarks, settings.detect_every)


def run_lips(
    scorer: LipScorer, videos: Sequence[Path], audio: Path | None, console: Console
) -> dict[str, Any]:
    """The field `lips` of scores.json; shows it as a table."""
    shown = Console(stderr=True)
    rows = list(counted(score_each(scorer, videos, audio), len(videos), shown, "lips", "videos"))
    found = summarized(rows)
    show(found, console)
    return found


def show(found: dict[str, Any], console: Console) -> None:
    """The table with the row of real video, what all clips share, and the protocol."""
    rows, mean, real = found["clips"], found["mean"], found["real_video"]
    table = Table(title="Lips against sound", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("clip", no_wrap=True, overflow="ellipsis")
    for title in ("offset", "sure", *NAMES.values()):
        table.add_column(title, justify="right")
    for name, row in zip(short_names([row["path"] for row in rows]), rows, strict=True):
        cells = ["failed", *[NONE] * (len(NAMES) + 1)] if "error" in row else [*_cells(row)]
        table.add_row(shortened(name), *cells)
    table.add_section()
    shared = found["shared_offset"] or {}
    told = [
        _offset(shared.get("offset"), shared.get("believed")),
        _number(shared.get("confidence")),
    ]
    table.add_row("all together", *told, *(_number(mean[key]) for key in NAMES))
    table.add_row("real video", "", "", *(_number(real[key]) for key in NAMES))
    console.print(table, markup=False)
    for row in rows:
        if "error" in row:
            path = "" if row["path"] in row["error"] else f"{row['path']}: "
            console.print(f"lips: {path}{row['error']}", soft_wrap=True, markup=False)
    console.print(f"Protocol: {PROTOCOL}", soft_wrap=True, markup=False)


def _cells(row: dict[str, Any]) -> list[str]:
    numbers = [_number(row.get(key)) for key in NAMES]
    if row["is_silent"]:
        return ["silent", NONE, *numbers]
    offset = _offset(row["lip_offset"], row["lip_believed"])
    return [offset, _number(row["lip_confidence"]), *numbers]


def _offset(offset: int | None, believed: bool | None) -> str:
    if offset is None:
        return NONE
    return f"{offset:+d}" if believed else "unsure"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"
