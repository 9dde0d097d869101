"""The layouts of the public sets, told from one another by what lies in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from preprocess.sources.folder import walk
from preprocess.splits import SPLITS
from w2l.errors import UserError

TITLES = {"lrs2": "LRS2", "lrs3": "LRS3", "lrw": "LRW", "grid": "GRID"}
EXPECTED = {
    "lrs2": "mvlrs_v1/main/<speaker>/<clip>.mp4 with <clip>.txt beside it "
    "(data_root may be mvlrs_v1, its parent, or main)",
    "lrs3": "trainval/<speaker>/<clip>.mp4 and test/<speaker>/<clip>.mp4 with <clip>.txt beside "
    "them (data_root is the folder that holds trainval)",
    "lrw": "<WORD>/train/<WORD>_00001.mp4, and the same in val and test "
    "(data_root may be lipread_mp4 or its parent)",
    "grid": "s1/<sentence>.mpg, or the archives as they are published, s1.zip or s1.mpg_vcd.zip "
    "(data_root is the folder that holds the speakers or archives)",
}
UNPACK = {
    "lrs2": "join its parts and unpack them first (cat lrs2_v1_parta* | tar -xf -)",
    "lrs3": "unpack it first (unzip)",
    "lrw": "join its parts and unpack them first (cat lrw-v1-parta* | tar -xf -)",
    "grid": "unpack it first (unzip); what is called s1.zip, s1.mpg_vcd.zip, s1.tar or "
    "alignments.zip may stay packed",
}
LRS3_PARTS = ("pretrain", "trainval", "test")
_FIVE = "[0-9]" * 5


def find_layout(source: str, data_root: Path) -> Path:
    """The folder that the paths of a set's layout begin in.

    Args:
        source: lrs2, lrs3, lrw or grid.
        data_root: that folder, or one of those near it that `EXPECTED` names.

    Raises:
        UserError: the layout is another: what was expected, what was found, which source fits.
    """
    expected = f"expected {EXPECTED[source]}"
    if not data_root.is_dir():
        raise UserError(f"data_root={data_root} is not a folder: {expected}.")
    found = _FINDERS[source](data_root)
    if found is not None:
        return found
    for other, find in _FINDERS.items():
        root = find(data_root)
        if root is not None:
            raise UserError(
                f"data_root={data_root} is not {TITLES[source]}'s layout: {expected}, found "
                f"{TITLES[other]}'s; use source={other}."
            )
    if next(data_root.glob("*/*/audio.wav"), None):
        raise UserError(
            f"data_root={data_root} is not {TITLES[source]}'s layout: {expected}, found a set that "
            "is prepared already; use source=prepared."
        )
    names = sorted(path.name for path in data_root.iterdir())
    if any("-part" in name or "_part" in name or name.endswith(_ARCHIVES) for name in names):
        raise UserError(
            f"data_root={data_root} holds the archive, not the videos: {UNPACK[source]}; "
            f"{expected}."
        )
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    raise UserError(
        f"data_root={data_root} is not {TITLES[source]}'s layout: {expected}, found "
        f"{shown or 'an empty folder'}; for other videos use source=folder."
    )


_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


def _lrs2(data_root: Path) -> Path | None:
    """`main`."""
    for main in (data_root / "mvlrs_v1" / "main", data_root / "main"):
        if main.is_dir():
            return main
    if _lrs3(data_root) is not None:  # its trainval looks like main
        return None
    is_main = data_root.name == "main" or next(data_root.glob(f"*/{_FIVE}.mp4"), None) is not None
    return data_root if is_main else None


def _lrs3(data_root: Path) -> Path | None:
    """The folder of trainval."""
    root = data_root.parent if data_root.name in LRS3_PARTS else data_root
    return root if (root / "trainval").is_dir() else None


def _lrw(data_root: Path) -> Path | None:
    """The folder of the words."""
    for root in (data_root / "lipread_mp4", data_root):
        for split in SPLITS:
            for video in root.glob(f"*/{split}/*_{_FIVE}.mp4"):
                if video.name.startswith(f"{video.parent.parent.name}_"):
                    return root
    return None


def _grid(data_root: Path) -> Path | None:
    """The folder itself, where a speaker's videos or archive lie somewhere in it."""
    for source in walk(data_root):
        folders = [data_root.absolute().name, *source.split("/")[:-1]]
        if is_grid_archive(source) or (source.lower().endswith(".mpg") and grid_speaker(folders)):
            return data_root
    return None


def grid_speaker(folders: Sequence[str]) -> str | None:
    """`s1` to `s34`, whom the last folder names that names one: `s1`, `s1_vcd`, `S1.part2`."""
    for folder in reversed(folders):
        match = re.match(r"s([1-9][0-9]?)(?![0-9a-z-])", folder, re.IGNORECASE)
        if match and int(match[1]) <= 34:
            return f"s{match[1]}"
    return None


def is_grid_archive(source: str) -> bool:
    """Whether a file is called as GRID's archives are."""
    name = source.rpartition("/")[2]
    return bool(re.fullmatch(r"(s[1-9][0-9]?(\.[\w.]+)?|alignments)\.(zip|tar)", name))


_FINDERS: dict[str, Callable[[Path], Path | None]] = {
    "lrs2": _lrs2, "lrs3": _lrs3, "lrw": _lrw, "grid": _grid,
}  # fmt: skip
