"""Lists of whose mouth is to follow whose sound: one line a pair, `audio_clip video_clip`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from w2l.errors import UserError
from w2l.filelists.lines import is_name, read_lines, write_words

TAGS = {"NF", "MV"}  # of split lists


@dataclass(frozen=True)
class Pair:
    """One line of a list for evaluation.

    Attributes:
        audio: clip whose sound drives the lips, as a path below the data set's folder.
        video: clip whose lips are made to move.
    """

    audio: str
    video: str

    @property
    def is_reconstruction(self) -> bool:
        """Whether a clip is given its own sound."""
        return self.audio == self.video


def read_pairs(path: str | Path) -> list[Pair]:
    """The pairs of a list, in its order; blank lines and the ending `.mp4` are dropped.

    Raises:
        UserError: the list cannot be read, holds no pair, or a line is of another form.
    """
    path = Path(path)
    pairs = []
    for number, words in read_lines(path):
        if len(words) == 1 or (len(words) == 2 and words[1] in TAGS):
            raise UserError(
                f"{path}, line {number}: one clip where two are wanted, the clip of the sound and "
                "the clip of the video; is it a split list?"
            )
        if len(words) != 2:
            raise UserError(
                f"{path}, line {number}: {len(words)} words where two are wanted, the clip of the "
                "sound and the clip of the video."
            )
        for word in words:
            if not is_name(word):
                raise UserError(
                    f"{path}, line {number}: {word!r} is no path below the data set's folder."
                )
        pairs.append(Pair(*(word.removesuffix(".mp4") for word in words)))
    if not pairs:
        raise UserError(f"{path} holds no pair: each line is the clip of a sound and of a video.")
    return pairs


def write_pairs(path: str | Path, pairs: Iterable[Pair]) -> None:
    """Write a list that `read_pairs`, and the published scripts, read; whole or not at all.

    Raises:
        UserError: a name has a blank, or the file cannot be written.
    """
    write_words(Path(path), ((pair.audio, pair.video) for pair in pairs))


def clip_file(root: Path, name: str) -> Path:
    """The file below `root` that a name stands for: an mp4 as published, unless it has an ending.

    Whether it is there is the caller's to see.
    """
    path = root / name
    return path if path.is_file() else path.with_name(f"{path.name}.mp4")
