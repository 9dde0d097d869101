"""`judge=` and `iqa=` of evaluate.py: scores by networks of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from w2l.building import Component
from w2l.cli.keys.evaluate import Evaluate
from w2l.components import FaceDetector
from w2l.files import identity
from w2l.progress import counted
from w2l.scoring.judges import JudgeScorer
from w2l.scoring.lips import score_each
from w2l.scoring.report import NONE, short_names, shortened


@dataclass(frozen=True)
class Judging:
    """A judge that is to score all videos.

    Attributes:
        key: "judge" or "iqa", its field of scores.json.
        name: of the judge.
        scorer: shows it the videos.
        files: path and hash of each file that it reads.
    """

    key: str
    name: str
    scorer: JudgeScorer
    files: list[dict[str, str]]

    def run(self, videos: Sequence[Path], audio: Path | None, console: Console) -> dict[str, Any]:
        """The field of scores.json; shows it as a table."""
        scored = score_each(self.scorer, videos, audio)
        shown = Console(stderr=True)
        rows = list(counted(scored, len(videos), shown, self.key, "videos"))
        names = dict.fromkeys(
            name for row in rows if "error" not in row for name in row if name != "path"
        )
        known = {name: [row[name] for row in rows if name in row] for name in names}
        n_failed = sum("error" in row for row in rows)
        found = {
            "name": self.name,
            "files": self.files,
            "protocol": f"25 fps; the largest face, by its box; {self.scorer.judge.protocol}.",
            "clips": rows,
            "mean": {name: fmean(values) for name, values in known.items()},
            "n_scored": len(rows) - n_failed,
            "n_failed": n_failed,
        }
        self._show(found, console)
        return found

    def _show(self, found: dict[str, Any], console: Console) -> None:
        rows, mean = found["clips"], found["mean"]
        table = Table(title=f"{self.key}={self.name}", box=SIMPLE_HEAD, show_footer=True)
        table.add_column("clip", footer="mean", no_wrap=True, overflow="ellipsis")
        for name, value in mean.items():
            table.add_column(name, justify="right", footer=f"{value:.3f}")
        for label, row in zip(short_names([row["path"] for row in rows]), rows, strict=True):
            cells = (f"{row[name]:.3f}" if name in row else NONE for name in mean)
            table.add_row(shortened(label), *cells)
        console.print(table, markup=False)
        for row in rows:
            if "error" in row:
                console.print(f"{self.key}: {row['error']}", soft_wrap=True, markup=False)
        for file in self.files:
            told = f"{self.key}: {file['file']}, SHA-256 {file['sha256']}"
            console.print(told, soft_wrap=True, markup=False)
        console.print(f"Protocol: {found['protocol']}", soft_wrap=True, markup=False)


def build_judges(settings: Evaluate, detector: FaceDetector | None, device: str) -> list[Judging]:
    """The judges that are asked for.

    Raises:
        UserError: a file cannot be read, or an argument is wrong.
    """
    found = []
    for key, component in judges_of(settings).items():
        assert detector is not None
        scorer = JudgeScorer(component.build(device=device), detector, settings.detect_every)
        files = component.files()
        name = files[0].name if len(files) == 1 else component.name
        found.append(Judging(key, name, scorer, list(map(identity, files))))
    return found


def judges_of(settings: Evaluate) -> dict[str, Component]:
    """The judges that are asked for, by the key that does."""
    wanted = {"judge": settings.clip_judge, "iqa": settings.iqa}
    return {key: component for key, component in wanted.items() if component is not None}
