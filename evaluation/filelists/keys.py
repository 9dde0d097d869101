"""The keys of `python -m evaluation.filelists`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from w2l.bounds import FileName
from w2l.schema import key


@dataclass(frozen=True, kw_only=True)
class Filelists:
    """Fetch published lists of pairs, or write a list of your own (docs/filelists.md)."""

    NAME: ClassVar[str] = "filelists"
    COMMAND: ClassVar[str] = "python -m evaluation.filelists"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "fetch=lrs2",
        "pairs=filelists/mine.txt data_root=data/mine count=1000",
        "pairs=filelists/others.txt data_root=data/mine count=100 different_speakers=true",
    )

    fetch: str | None = key(
        None, "lrs2, lrs3, lrw or all", section="Published lists, from their own home"
    )
    out: FileName = key("filelists", "folder: <out>/lrs2.txt …")
    home: str | None = key(
        None, "address of another folder that holds them, e.g. a mirror; null: the published ones"
    )

    pairs: FileName | None = key(
        None,
        "file to write",
        section="A list of your own: one clip's audio, and the video of another that is at least "
        "as long",
    )
    data_root: FileName | None = key(None, "prepared set, or folder of videos")
    clips: FileName | None = key(
        None,
        "list of the clips to take (speaker/clip); null: <data_root>/<split>.txt, else all",
    )
    split: Literal["train", "val", "test"] = key("test", "whose list it is")
    pattern: str = key(
        "**/*.mp4",
        "of the videos below data_root where there is no list; LRW: */test/*.mp4",
    )
    count: int | None = key(None, "pairs; published: 14239 (LRS2), 14000 (LRS3), 28000 (LRW)")
    different_speakers: bool = key(
        False, "true: nobody is paired with a clip of their own (the first folder of the name)"
    )
    seed: int = key(0, "the same clips, count and seed give the same list")
    published: bool = key(False, "changes nothing here: lists are made in one way")
