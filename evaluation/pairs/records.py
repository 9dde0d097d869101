"""What is written down about each pair, so that a second run knows what is left to do.

Below the output folder `videos/<set>/<number>.mp4` is a pair's video, `features/<set>/<number>.npz`
what a Fréchet distance needs of it, and `pairs/<set>/<number>.json` its record; the record comes
last, and all appear whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path
from typing import Any

from evaluation.pairs.settings import Recipe
from evaluation.pairs.tasks import Task
from w2l.files import left_behind, write_text

OUTPUTS = Path("outputs/benchmarks")
Record = dict[str, Any]


class Records:
    """The records below one output folder.

    Args:
        root: the folder.
        recipe: how pairs are to be made and scored now.
    """

    def __init__(self, root: Path, recipe: Recipe) -> None:
        self.root = root
        self.recipe = recipe

    def video(self, task: Task) -> Path:
        """Where the pair's video lies."""
        return self.root / "videos" / f"{task.key}.mp4"

    def features(self, task: Task) -> Path:
        """Where the features of the pair's images lie."""
        return self.root / "features" / f"{task.key}.npz"

    def finished(self, task: Task) -> Record | None:
        """The pair's record, None unless it is of these files and this recipe, features and all."""
        record = self._read(task)
        if record is None or record["scored"] != self.recipe.scored:
            return None
        size = record.get("features_bytes")
        return record if size is None or _size(self.features(task)) == size else None

    def made(self, task: Task) -> Record | None:
        """The record of a pair whose video need not be made again, only scored."""
        record = self._read(task)
        if record is None or record["error"] is not None:
            return None
        return record if record["video_bytes"] == _size(self.video(task)) else None

    def begin(self, task: Task) -> Record:
        """A new record without an answer: which pair, which files, which recipe."""
        return {
            "set": task.set,
            "number": task.number,
            "audio": task.audio,
            "video": task.video,
            **_origin(task),
            "made": self.recipe.made,
            "scored": self.recipe.scored,
            "error": None,
            "detail": None,
        }

    def fail(self, task: Task, reason: str, detail: str, **more: Any) -> Record:
        """Write down why a pair has no score."""
        return self.write(task, self.begin(task) | {"error": reason, "detail": detail} | more)

    def write(self, task: Task, record: Record) -> Record:
        """Write a record, whole or not at all."""
        write_text(self._path(task), json.dumps(record, allow_nan=False) + "\n")
        return record

    def clean(self, tasks: Iterable[Task]) -> None:
        """Remove the half-written videos and features of `tasks` that a killed run left."""
        mine: dict[Path, set[str]] = {}
        for task in tasks:
            for path in (self.video(task), self.features(task)):
                mine.setdefault(path.parent, set()).add(path.name)
        for folder, names in mine.items():
            for path in left_behind(folder, names):
                path.unlink(missing_ok=True)

    def _path(self, task: Task) -> Path:
        return self.root / "pairs" / f"{task.key}.json"

    def _read(self, task: Task) -> Record | None:
        try:
            record = json.loads(self._path(task).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there, or damaged by hand or by the disk
            return None
        expected = {
            "audio": task.audio, "video": task.video, "made": self.recipe.made, **_origin(task)
        }  # fmt: skip
        same = isinstance(record, dict) and all(
            record.get(key) == value for key, value in expected.items()
        )
        return record if same else None


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _origin(task: Task) -> Record:
    """Which bytes: a record that differs in it is out of date."""
    found = {}
    for name, path in (("audio", task.audio_file), ("video", task.video_file)):
        status = path.stat() if path.is_file() else None
        found[f"{name}_file"] = [status.st_size, status.st_mtime_ns] if status else None
    return found


def own_folder(name: str, recipe: Recipe) -> Path:
    """outputs/benchmarks/<name>, or <name>_2, …: the first without results of another recipe."""
    for stem in chain([name], (f"{name}_{number}" for number in count(2))):
        out = OUTPUTS / stem
        record = next((out / "pairs").glob("*/*.json"), None)
        # Pairs of this recipe are gone on with.
        if record is None or recipe.scored in record.read_text("utf-8"):
            return out
    raise AssertionError("numbers do not end")
