"""What is written down about each clip, beside it and in the set's lists.

A clip is finished when its folder is there (it is moved there as a whole), rejected when its file
below `.rejected/` is; both say of which source file, and by which recipe. So a second run knows
what is left to do without a file that several machines would have to share.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from preprocess.settings import Recipe
from w2l.components import Clip
from w2l.errors import UserError
from w2l.files import atomic_path, left_behind, write_text

Record = dict[str, Any]

# Of clip.json, what goes into the manifest's line; `split` is added.
MANIFEST_FIELDS = (
    "speaker", "clip", "source", "start_s", "end_s", "n_frames", "n_faces", "duration_s", "fps",
    "source_fps", "width", "height", "face_size", "sharpness", "brightness", "yaw", "pitch",
    "n_mel", "sync_offset", "sync_confidence", "transcript",
)  # fmt: skip
REJECTED_FIELDS = ("speaker", "clip", "source", "start_s", "end_s", "step", "reason", "detail")


def origin(clip: Clip, recipe: Recipe) -> Record:
    """Which clip, from which bytes, by which recipe: a record that differs in it is out of date."""
    try:
        # What was downloaded may be deleted once it is prepared: the address stands for it.
        status = None if clip.url else clip.path.stat()
    except FileNotFoundError:  # taken away since it was listed
        status = None
    return {
        "speaker": clip.speaker,
        "clip": clip.name,
        "source": clip.source,
        "source_bytes": status.st_size if status else 0,
        "source_mtime_ns": status.st_mtime_ns if status else 0,
        "start_s": clip.start_s or None,  # records from before there were cuts have neither
        "end_s": clip.end_s,
        "recipe": recipe.digest,
    }


class Records:
    """The records below one set's folder.

    Args:
        root: the set's folder.
        recipe: how clips are to be prepared now.
    """

    def __init__(self, root: Path, recipe: Recipe) -> None:
        self.root = root
        self.recipe = recipe

    def make_root(self) -> None:
        """See `make_folder`."""
        make_folder(self.root)

    def folder(self, clip: Clip) -> Path:
        """Where the prepared clip lies."""
        return self.root / clip.speaker / clip.name

    def finished(self, clip: Clip) -> Record | None:
        """clip.json of a prepared clip, None unless it is of this file and recipe."""
        return self._valid(self.folder(clip) / "clip.json", clip)

    def rejected(self, clip: Clip) -> Record | None:
        """The record of a rejection, None unless it is of this file and recipe."""
        return self._valid(self._rejection(clip), clip)

    def reject(self, clip: Clip, step: str, reason: str, detail: str, **more: Any) -> Record:
        """Write a rejection down, in place of what an earlier version of the file gave.

        Args:
            clip, step, reason, detail: as in `RejectedError`.
            more: what else there is to say; what is empty is left out.
        """
        record = origin(clip, self.recipe) | {"step": step, "reason": reason, "detail": detail}
        record |= {key: value for key, value in more.items() if value}
        write_json(self._rejection(clip), record)
        if self.folder(clip).is_dir():
            shutil.rmtree(self.folder(clip))
        return record

    def forgive(self, clip: Clip) -> None:
        """Forget a rejection."""
        self._rejection(clip).unlink(missing_ok=True)

    def clean(self, clips: Iterable[Clip]) -> int:
        """Remove the half-written folders of `clips` that a killed run left; returns how many.

        Only of these clips: another shard may be at work on the others.
        """
        mine: dict[Path, set[str]] = {}
        for clip in clips:
            mine.setdefault(self.root / clip.speaker, set()).add(clip.name)
        removed = 0
        for speaker, names in mine.items():
            for path in left_behind(speaker, names):
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
        return removed

    def _rejection(self, clip: Clip) -> Path:
        return self.root / ".rejected" / clip.speaker / f"{clip.name}.json"

    def _valid(self, path: Path, clip: Clip) -> Record | None:
        if not path.is_file():
            return None
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return None  # damaged by hand or by the disk: prepare it anew
        expected = origin(clip, self.recipe)
        return record if all(record.get(key) == expected[key] for key in expected) else None


def make_folder(folder: Path) -> None:
    """Create a folder of the set, so that one that cannot be written to is known at once.

    Raises:
        UserError: it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UserError(
            f"out={folder} cannot be written to ({error.strerror}): choose another folder."
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False) + "\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text as they come, whole or not at all.

    What of a file's name is no UTF-8 is written as an escape, which JSON reads back.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        file.writelines(f"{line}\n" for line in lines)


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, whole or not at all."""
    write_lines(path, (json.dumps(record, ensure_ascii=False) for record in records))
