"""`source=folder`: any folder of videos, one sub-folder per person."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from preprocess.sources.names import folder_name, tell_apart
from w2l.components import Announce, Clip, Listing, silent
from w2l.errors import UserError

# What a video file may be called; whether it is one is found out by opening it.
SUFFIXES = frozenset(
    {
        ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4",
        ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".ts", ".vob", ".webm", ".wmv",
    }
)  # fmt: skip

VOXCELEB_ID = re.compile(r"id[0-9]{5}")


class Folder:
    """Any folder of videos, one sub-folder per person: all below it, in the order of their paths.

    The speaker is the **first** folder below `data_root`, or the first that is called as VoxCeleb
    calls people: `id00012/<video>/<clip>.mp4` and `dev/mp4/id00012/<video>/<clip>.mp4` stay one
    person. The speaker of a file in `data_root` itself is its name without the numbers that `_`
    sets off at its end, the way HDTF has it: `WDA_BarackObama_000.mp4`. Files that are only
    numbered thus count as one person, which at worst keeps strangers in one list.

    Args:
        data_root: the folder; sub-folders and links are followed, hidden ones are not.
        out: a folder below it that is no source: where the set is written.
    """

    any_videos = True

    def __init__(self, data_root: Path, out: Path | None = None) -> None:
        self.data_root, self.out = data_root, out

    def listing(self, announce: Announce = silent) -> Listing:
        """The videos.

        Raises:
            UserError: no such folder, or no video in it.
        """
        data_root, leave_out = self.data_root, self.out
        if not data_root.is_dir():
            raise UserError(
                f"data_root={data_root} is not a folder: give the folder of your videos."
            )
        files = sorted(walk(data_root, *([leave_out] if leave_out else [])))
        sources = [source for source in files if _is_video(source)]
        others = [source for source in files if not _is_video(source)]
        if not sources:
            what = f"none of its {len(others)} files is" if others else "it is empty, not"
            raise UserError(
                f"data_root={data_root} holds no video: {what} called *.mp4, *.mov or the like."
            )
        keys = tell_apart([_key(source) for source in sources], sources)
        clips, people = [], dict[str, str]()
        for source, key in zip(sources, keys, strict=True):
            speaker, name = key.split("/")
            clips.append(Clip(data_root, source, people.setdefault(speaker, speaker), name))
        return Listing(clips, others=others)


def walk(root: Path, *leave_out: Path) -> Iterator[str]:
    """Regular files below `root`; each real folder once, so that links in a circle end."""
    seen = {folder.resolve() for folder in (root, *leave_out)}
    for folder, subfolders, names in os.walk(root, followlinks=True):
        kept = []
        for name in sorted(subfolders):
            real = (Path(folder) / name).resolve()
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                kept.append(name)
        subfolders[:] = kept
        inside = Path(folder).relative_to(root).as_posix()
        start = "" if inside == "." else f"{inside}/"
        for name in names:
            if not name.startswith(".") and Path(folder, name).is_file():
                yield start + name


def _is_video(source: str) -> bool:
    return os.path.splitext(source)[1].lower() in SUFFIXES


def _key(source: str) -> str:
    """`a/b/c.mp4` → `a/b_c`; `dev/mp4/id00012/v/c.mp4` → `id00012/v_c`; `c_01.mp4` → `c/c_01`."""
    *folders, file = source.split("/")
    stem = Path(file).stem
    if not folders:
        name = folder_name(stem)
        return f"{re.sub(r'(?<=.)(_[0-9]+)+$', '', name)}/{name}"
    first = next((i for i, name in enumerate(folders) if VOXCELEB_ID.fullmatch(name)), 0)
    name = folder_name("_".join([*folders[first + 1 :], stem]))
    return f"{folder_name(folders[first])}/{name}"
