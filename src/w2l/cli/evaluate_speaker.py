"""`voices=`, `calibrate=` and `calibration=` of evaluate.py: who speaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from w2l.cli.keys.evaluate import Evaluate
from w2l.errors import UserError
from w2l.paths import user_path
from w2l.scoring import Evaluator, Speakers, SyncScorer
from w2l.scoring.calibration import calibrate, load_calibration, plot_calibration
from w2l.scoring.report import voice_names, write_json
from w2l.scoring.speaker import speaker_rows
from w2l.scoring.voices import OWN, SpeakerSearch


def speaker_search(
    settings: Evaluate, scorer: SyncScorer, weights: dict[str, Any]
) -> SpeakerSearch | None:
    """What `voices=` asks for, or None.

    Args:
        settings: of evaluate.py.
        scorer: compares faces and voices.
        weights: file and hash of each of its networks.

    Raises:
        UserError: a file is missing or wrong, or there is no expert or no track to ask about.
    """
    voices, file = settings.voices, settings.calibration
    if voices is None:
        if file is not None:
            raise UserError("calibration= decides about voices: give voices=own or [a.wav,b.wav].")
        return None
    _check(settings, scorer, "voices")
    calibration = None
    if file is not None:
        expert = weights["expert"]["sha256"]
        calibration = load_calibration(user_path(file), expert)
    if voices == OWN:
        return SpeakerSearch(scorer, calibration=calibration)
    files = [user_path(v) for v in (voices if isinstance(voices, list) else [voices])]
    for path in files:
        if not path.is_file():
            raise UserError(f"voices={path} is not a file: name sound files, or voices=own.")
    if not files or len(set(files)) < len(files):
        raise UserError("voices= must name different sound files, or be voices=own.")
    return SpeakerSearch.of_files(scorer, files, calibration)


def _check(settings: Evaluate, scorer: SyncScorer, key: str) -> None:
    if settings.protocol != "track":
        raise UserError(f"{key}= compares followed faces: it needs protocol=track.")
    if scorer.expert is None:
        raise UserError(f"{key}= compares faces and voices by an expert: name one with expert=.")


def calibration_command(
    evaluator: Evaluator, videos: Sequence[Path], output: Path,
    settings: Evaluate, weights: dict[str, Any], console: Console,
) -> None:  # fmt: skip
    """Measure on clips in sync, write the threshold with its curve beside `output`, show it.

    Raises:
        UserError: too few clips can be compared.
    """
    _check(settings, evaluator.scorer, "calibrate")
    found = calibrate(evaluator, videos)
    target = output.with_name(f"{output.stem}_calibration.json")
    expert = weights["expert"]
    write_json({**found.to_dict(), "expert": expert, "video": str(settings.video)}, target)
    plot_calibration(found, target.with_suffix(".png"))
    table = Table("", "AUC ↑", "equal error rate ↓", "threshold", box=SIMPLE_HEAD)
    for name, curve in found.curves.items():
        table.add_row(name, f"{curve.auc:.3f}", f"{curve.eer:.1%}", f"{curve.threshold:.3f}")
    console.print(table)
    for reason, count in found.failures.items():
        console.print(f"left out ({count}): {reason}", soft_wrap=True, markup=False)
    console.print(
        f"{len(found.own)} clips, {len(found.others)} pairs with another clip's voice; at the "
        f"best offset; {found.best.score} decides.",
        soft_wrap=True,
    )
    console.print(str(target), soft_wrap=True, markup=False)


def speaker_table(speakers: Speakers, name: str) -> Table:
    """A row per face, a column per voice: similarity at the best offset."""
    table = Table(title=f"Who speaks in {escape(name)}", box=SIMPLE_HEAD)
    table.add_column("face")
    names = voice_names(speakers)
    table.add_column("speaks", overflow="fold")
    for voice in names:
        table.add_column(escape(voice), justify="right", overflow="fold")
    for number, row in enumerate(speaker_rows(speakers, names), 1):
        cells = map(escape, row)  # the first is a voice's name
        table.add_row(f"{number}, from frame {speakers.starts[number - 1]}", *cells)
    return table
