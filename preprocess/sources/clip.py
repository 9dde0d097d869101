"""One clip to be prepared, and a source's list of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Clip:
    """One video, or a part of one, on its way into the set.

    A large set has a million of them, which are all held: what clips share is held once.

    Attributes:
        root: the folder that the paths of its source begin in.
        source: its path relative to that, with forward slashes, or its address; names it in
            records.
        speaker: folder in the set; clips of one person share it, so that splits can be disjoint.
        name: folder inside the speaker's.
        split: train, val or test where the source says so; None: decided at the end.
        transcript: what is spoken, or the file that says so, as LRS2 has it; it need not exist.
        start_s: where the clip begins, in seconds after the file's first image.
        end_s: where it ends (excluded), counted in the same way; None: with the file.
        url: address that `path` is downloaded from; None: it is there.
        file: its path, absolute or relative to `root`, where that is not `source`.
    """

    root: Path
    source: str
    speaker: str
    name: str
    split: str | None = None
    transcript: Path | str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    url: str | None = None
    file: str | None = None

    @property
    def path(self) -> Path:
        """Where the file lies, or will once it is downloaded."""
        return self.root / (self.file or self.source)

    @property
    def key(self) -> str:
        """`speaker/name`: the clip's folder and its line in a split list."""
        return f"{self.speaker}/{self.name}"


@dataclass(frozen=True)
class Listing:
    """What a source found.

    Attributes:
        clips: in a fixed order, with unique keys.
        notes: sentences for the user: what is missing, counts that look wrong.
        others: files that were met and are not called like videos, as `Clip.source` names them.
    """

    clips: list[Clip]
    notes: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
