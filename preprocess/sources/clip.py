"""One file to be prepared, and a source's list of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Clip:
    """One video file on its way into the set.

    Attributes:
        path: where the file lies.
        source: its path relative to the data root, with forward slashes; names it in records.
        speaker: folder in the set; clips of one person share it, so that splits can be disjoint.
        name: folder inside the speaker's.
        split: train, val or test where the source says so; None: decided at the end.
        transcript: file that says what is spoken, as LRS2 has it; it need not exist.
    """

    path: Path
    source: str
    speaker: str
    name: str
    split: str | None = None
    transcript: Path | None = None

    @property
    def key(self) -> str:
        """`speaker/name`: the clip's folder and its line in a split list."""
        return f"{self.speaker}/{self.name}"


@dataclass(frozen=True)
class Listing:
    """What a source found.

    Attributes:
        clips: in a fixed order, with unique keys.
        notes: sentences for the user: files left alone, counts that look wrong.
    """

    clips: list[Clip]
    notes: list[str] = field(default_factory=list)
