"""`source=lrw`: the BBC's single words, `<WORD>/{train,val,test}/<WORD>_00001.mp4`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from preprocess.sources.layouts import find_layout
from preprocess.splits import SPLITS
from w2l.components import Announce, Clip, Listing, silent

PUBLISHED_COUNTS = {"train": 488_766, "val": 25_000, "test": 25_000}  # the data set's own page
PUBLISHED_WORDS = 500


class Lrw:
    """The BBC's single words, in the order of their paths: each 29 frames at 25 frames/s.

    LRW does not say who speaks. The set's speaker folder is the word, and the clips keep LRW's own
    splits, which are by the programmes' dates. The same number occurs in every split, so the split
    is part of a clip's name.

    Args:
        data_root: `lipread_mp4`, or the folder that holds it.
    """

    any_videos = False

    def __init__(self, data_root: Path) -> None:
        self.data_root = data_root

    def listing(self, announce: Announce = silent) -> Listing:
        """The clips of all words.

        Raises:
            UserError: the layout is another.
        """
        root = find_layout("lrw", self.data_root)
        words = sorted(path.name for path in root.iterdir() if path.is_dir())
        clips = [
            Clip(root, f"{word}/{split}/{video.name}", word, f"{split}_{video.stem}", split, word)
            for word in words
            for split in SPLITS
            for video in sorted((root / word / split).glob("*.mp4"))
        ]
        notes = [
            "LRW's splits are by programme date and not by person: scores on them say nothing of "
            "new people, and what is counted as speakers are words."
        ]
        counts = Counter(clip.split for clip in clips)
        notes += [
            f"{root} holds {counts[split]} clips of {split}; LRW has {published}."
            for split, published in PUBLISHED_COUNTS.items()
            if counts[split] != published
        ]
        found = len({clip.speaker for clip in clips})
        if found != PUBLISHED_WORDS:
            notes.append(f"{root} holds {found} words; LRW has {PUBLISHED_WORDS}.")
        return Listing(clips, notes)
