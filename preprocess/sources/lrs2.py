"""`source=lrs2`: the BBC's LRS2, `mvlrs_v1/main/<speaker>/<clip>.mp4` with its split lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from preprocess.sources.layouts import find_layout
from preprocess.splits import SPLITS
from w2l.components import Announce, Clip, Listing, silent
from w2l.errors import UserError
from w2l.filelists import read_split

PUBLISHED_COUNTS = {"train": 45_839, "val": 1_082, "test": 1_243}  # the data set's own page
HOME = "https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs2.html"


class Lrs2:
    """The BBC's LRS2: the clips of `main` that the split lists name, in the lists' order.

    `pretrain` is not used.

    Args:
        data_root: `mvlrs_v1`, the folder that holds it, or `main`.
        filelists: folder of train.txt, val.txt, test.txt; None: looked for beside the videos and
            in `filelists/` of the working folder.
    """

    any_videos = False

    def __init__(self, data_root: Path, filelists: Path | None = None) -> None:
        self.data_root, self.filelists = data_root, filelists

    def listing(self, announce: Announce = silent) -> Listing:
        """The clips with their splits.

        Raises:
            UserError: the layout is another, or the lists are missing: what was expected, what
                found.
        """
        data_root = self.data_root
        main = find_layout("lrs2", data_root)
        folder = _find_lists(main, data_root, self.filelists)
        clips: list[Clip] = []
        notes: list[str] = []
        seen: dict[str, str] = {}
        missing: list[str] = []
        for split in SPLITS:
            listed = [entry.name for entry in read_split(folder / f"{split}.txt")]
            if len(listed) != PUBLISHED_COUNTS[split]:
                notes.append(
                    f"{folder / split}.txt names {len(listed)} clips; "
                    f"LRS2's has {PUBLISHED_COUNTS[split]}."
                )
            for key in listed:
                if key in seen:
                    raise UserError(
                        f"{folder}: {key} is in {seen[key]}.txt and again in {split}.txt; fetch "
                        f"the lists anew from {HOME}."
                    )
                seen[key] = split
                video = main / f"{key}.mp4"
                if video.is_file():
                    clips.append(_clip(main, key, split))
                else:
                    missing.append(key)
        if not clips:
            raise UserError(
                f"None of the {len(seen)} clips listed in {folder} lies below {main} (the first "
                f"should be {main / next(iter(seen), '<speaker>/<clip>')}.mp4): lists and "
                "videos differ."
            )
        if missing:
            notes.append(
                f"{len(missing)} of {len(seen)} listed clips are not below {main} "
                f"(the first: {missing[0]}.mp4): is the archive unpacked as a whole?"
            )
        return Listing(clips, notes)


def _clip(main: Path, key: str, split: str) -> Clip:
    speaker, name = key.split("/")
    transcript, file = main / f"{key}.txt", f"{key}.mp4"  # `main` may be called otherwise
    return Clip(main, f"main/{file}", speaker, name, split, transcript, file=file)


def _find_lists(main: Path, data_root: Path, filelists: Path | None) -> Path:
    if filelists is not None:
        places = [filelists]
    else:
        roots: Iterable[Path] = (main, main.parent, main.parent.parent, data_root)
        places = [place for root in roots for place in (root, root / "filelists")]
        places.append(Path("filelists"))
    for place in places:
        if all((place / f"{split}.txt").is_file() for split in SPLITS):
            return place
    raise UserError(
        f"LRS2's split lists train.txt, val.txt and test.txt are not in "
        f"{filelists or f'{main.parent}, its parent, {main} or filelists/'}: get them from {HOME} "
        f"and set source.filelists=FOLDER (or make your own splits: source=folder "
        f"data_root={main})."
    )
