"""`source=lrs3`: TED talks, `{pretrain,trainval,test}/<speaker>/<clip>.mp4`."""

from __future__ import annotations

from pathlib import Path

from preprocess.sources.layouts import find_layout
from preprocess.splits import hold_out_val
from w2l.components import Announce, Clip, Listing, silent
from w2l.errors import UserError

PUBLISHED_COUNTS = {"pretrain": 118_516, "trainval": 31_982, "test": 1_321}  # the set's own paper


class Lrs3:
    """LRS3's TED talks: the clips of trainval and test, in the order of their paths.

    LRS3 leaves it open which part of trainval validates: here about 5 % of its speakers, chosen by
    a hash of their names.

    Args:
        data_root: the folder that holds `trainval` and `test`.
        pretrain: train on `pretrain` too. Its clips are called `pretrain_<clip>`; those of speakers
            who are held out are left out, since the part shares speakers with trainval.
    """

    any_videos = False

    def __init__(self, data_root: Path, pretrain: bool = False) -> None:
        self.data_root, self.pretrain = data_root, pretrain

    def listing(self, announce: Announce = silent) -> Listing:
        """The clips with their splits.

        Raises:
            UserError: the layout is another, there are no clips, or a speaker is in training and
                test.
        """
        root = find_layout("lrs3", self.data_root)
        notes: list[str] = []
        trainval, test = (_videos(root, part, notes) for part in ("trainval", "test"))
        if not trainval:
            raise UserError(
                f"{root / 'trainval'} holds no <speaker>/<clip>.mp4: unpack LRS3's trainval part "
                "there."
            )
        both = sorted(_speakers(trainval) & _speakers(test))
        if both:
            raise UserError(
                f"{root}: speaker {both[0]} is in trainval and in test, which LRS3 keeps apart; "
                "unpack both parts anew."
            )
        split_of = hold_out_val(sorted(_speakers(trainval)))
        clips = [_clip(root, video, split_of[video.parent.name]) for video in trainval]
        clips += [_clip(root, video, "test") for video in test]
        if self.pretrain:
            held_out = _speakers(test) | {who for who, split in split_of.items() if split == "val"}
            more = _videos(root, "pretrain", notes)
            kept = [video for video in more if video.parent.name not in held_out]
            clips += [_clip(root, video, "train", "pretrain_") for video in kept]
            if len(kept) < len(more):
                notes.append(
                    f"{len(more) - len(kept)} clips of pretrain are left out: their speakers "
                    "validate or test."
                )
        return Listing(clips, notes)


def _videos(root: Path, part: str, notes: list[str]) -> list[Path]:
    """The videos of one part; a count other than the published one is noted."""
    videos = sorted((root / part).glob("*/*.mp4"))
    if len(videos) != PUBLISHED_COUNTS[part]:
        notes.append(
            f"{root / part} holds {len(videos)} clips; LRS3's has {PUBLISHED_COUNTS[part]}."
        )
    return videos


def _speakers(videos: list[Path]) -> set[str]:
    return {video.parent.name for video in videos}


def _clip(root: Path, video: Path, split: str, prefix: str = "") -> Clip:
    return Clip(
        root,
        video.relative_to(root).as_posix(),
        video.parent.name,
        f"{prefix}{video.stem}",
        split,
        video.with_suffix(".txt"),
    )
