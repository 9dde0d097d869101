"""What a run has scored so far, in a file beside its output, so that a killed one goes on."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields, is_dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from w2l import __version__
from w2l.errors import UserError
from w2l.metrics import LSE, CosineSummary
from w2l.scoring.results import ClipScore, SkippedTrack, TrackScore
from w2l.scoring.scorer import CosineResult, SyncResult
from w2l.scoring.speaker import Calibration, Face, Pair, Speakers

FORMAT = 1  # raise it when a record changes meaning
TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        ClipScore, TrackScore, SkippedTrack, SyncResult, LSE, CosineResult, CosineSummary,
        Speakers, Face, Pair, Calibration,
    )
}  # fmt: skip


def partial_file(output: Path) -> Path:
    """Where the records of a run lie that writes `output`, until it is finished."""
    return output.with_name(f"{output.stem}.partial.jsonl")


class Partial:
    """Records of scored clips, one a line; a clip counts only with the same file and settings.

    Failed clips have none: they are tried again.

    Args:
        output: scores.json; the records lie beside it, `<stem>.partial.jsonl`.
        settings: whatever decides a score, as JSON has it.
    """

    def __init__(self, output: Path, settings: Any) -> None:
        self.path = partial_file(output)
        text = json.dumps([FORMAT, __version__, settings], sort_keys=True, default=str)
        self._settings = hashlib.sha256(text.encode()).hexdigest()
        self._lines: dict[tuple[str, int, int], str] = {}
        with suppress(FileNotFoundError), self.path.open(encoding="utf-8") as file:
            for line in file:
                self._read(line)

    def _read(self, line: str) -> None:
        try:
            path, size, changed, settings, _ = json.loads(line)
        except ValueError:  # the last one, of a killed run
            return
        if settings == self._settings:
            self._lines[path, size, changed] = line

    def count(self, videos: Iterable[Path]) -> int:
        """How many of these were scored."""
        return sum(_file(video) in self._lines for video in videos)

    def plots(self) -> set[str]:
        """Names of the plots that were written, in lower case."""
        plots = (json.loads(line)[-1]["ClipScore"]["plot"] for line in self._lines.values())
        return {plot.lower() for plot in plots if plot is not None}

    def find(self, video: Path) -> ClipScore | None:
        """What was scored of a video, whose plot still lies there."""
        line = self._lines.get(_file(video))
        if line is None:
            return None
        try:
            clip = decode(json.loads(line)[-1])
        except (ValueError, KeyError, TypeError):  # changed by hand
            return None
        if clip.plot is not None and not self.path.with_name(clip.plot).is_file():
            return None
        assert isinstance(clip, ClipScore)
        return clip

    def add(self, video: Path, clip: ClipScore) -> None:
        """Write a clip's record down.

        Raises:
            UserError: it cannot be written.
        """
        if clip.error is not None:
            return
        line = json.dumps([*_file(video), self._settings, encode(clip)], ensure_ascii=False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                # At once; the line feed before it ends one that was cut off.
                file.write(f"\n{line}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise UserError(
                f"Cannot write {self.path} ({error.strerror}): free some space, or choose another "
                "output."
            ) from error

    def remove(self) -> None:
        """The run is finished."""
        self.path.unlink(missing_ok=True)


def _file(video: Path) -> tuple[str, int, int]:
    """Which file a record is of: another size or time of change, and it is scored anew."""
    with suppress(OSError):
        status = video.stat()
        return str(video.absolute()), status.st_size, status.st_mtime_ns
    return str(video.absolute()), -1, -1


def encode(value: Any) -> Any:
    """A result as JSON (with NaN and infinity), from which `decode` makes the same again."""
    if isinstance(value, np.ndarray | torch.Tensor | np.generic):
        content = BytesIO()
        np.save(content, np.asarray(value), allow_pickle=False)
        kind = "tensor" if isinstance(value, torch.Tensor) else "array"
        return {kind: base64.b64encode(content.getvalue()).decode()}
    if type(value) in TYPES.values():
        names = [f.name for f in fields(value)] if is_dataclass(value) else value._fields
        return {type(value).__name__: {name: encode(getattr(value, name)) for name in names}}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [encode(entry) for entry in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written down")


def decode(value: Any) -> Any:
    """What `encode` was given."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in {"tensor", "array"}:
        array = np.load(BytesIO(base64.b64decode(content)), allow_pickle=False)
        return torch.from_numpy(array) if kind == "tensor" else array[()]
    if kind in TYPES:
        return TYPES[kind](**{name: decode(entry) for name, entry in content.items()})
    entries = [decode(entry) for entry in content]
    return tuple(entries) if kind == "tuple" else entries
