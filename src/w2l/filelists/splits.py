"""Lists of the clips that train, validate or test: LRS2's, and those of a prepared set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from w2l.errors import UserError
from w2l.filelists.lines import is_name, read_lines, write_words


@dataclass(frozen=True, slots=True)
class SplitEntry:
    """One line, `speaker/clip [tag]`.

    Attributes:
        speaker: folder of the clips of one person.
        clip: name of the clip in it, without an ending.
        tag: what stands behind it: LRS2 marks some clips NF or MV; None: nothing.
    """

    speaker: str
    clip: str
    tag: str | None = None

    @property
    def name(self) -> str:
        """`speaker/clip`."""
        return f"{self.speaker}/{self.clip}"


def read_split(path: str | Path) -> list[SplitEntry]:
    """See `split_entries`."""
    return list(split_entries(path))


def split_entries(path: str | Path) -> Iterator[SplitEntry]:
    """The entries of a split list, in its order; blank lines and the ending `.mp4` are dropped.

    Raises:
        UserError: the list cannot be read, or a line is of another form.
    """
    path = Path(path)
    for number, (first, *rest) in read_lines(path):
        name = first.removesuffix(".mp4")
        if name.count("/") != 1 or not is_name(name):
            raise UserError(f"{path}, line {number}: {first!r} is not of the form speaker/clip.")
        tag = " ".join(rest) or None
        if tag is not None and "/" in tag:
            raise UserError(
                f"{path}, line {number}: two clips in a line, which is a list of pairs for "
                "evaluation; a split list has one, speaker/clip."
            )
        speaker, clip = name.split("/")
        yield SplitEntry(speaker, clip, tag)


def write_split(path: str | Path, entries: Iterable[SplitEntry]) -> None:
    """Write a split list that `read_split` reads, whole or not at all.

    Raises:
        UserError: a name has a blank, or the file cannot be written.
    """
    write_words(Path(path), ((e.name,) if e.tag is None else (e.name, e.tag) for e in entries))
