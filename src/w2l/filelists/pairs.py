"""Lists of whose mouth is to follow whose sound: one line a pair, `audio_clip video_clip`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from w2l.errors import UserError
from w2l.filelists.reading import is_name, read_lines, write_words
from w2l.windows import last_fitting

# A clip of n frames is scored in n - 5 windows (docs/metrics.md): with fewer there is none.
MIN_FRAMES = 6
TAGS = {"NF", "MV"}  # of split lists


@dataclass(frozen=True)
class Candidate:
    """A clip that may give a pair its sound or its video.

    Attributes:
        name: as the list is to call it.
        speaker: who it shows; None: nobody knows.
        n_frames: of its video, at 25 frames/s.
        n_columns: of its sound's mel, 80 a second; 0: it has no sound.
    """

    name: str
    speaker: str | None
    n_frames: int
    n_columns: int

    @property
    def n_driven(self) -> int:
        """How many frames its sound drives: mel windows of 16 columns, one for each frame."""
        return max(0, last_fitting(self.n_columns) + 1)


def cross_pairs(
    clips: Sequence[Candidate], count: int, *, seed: int = 0, different_speakers: bool = False
) -> list[Pair]:
    """Draw pairs of different clips in which the video has a frame for every window of the sound.

    That is what the published script asks of a pair ("the video is longer than the audio"); it
    leaves out the others. All such pairs are equally likely, none is drawn twice, and their
    order is random too, so that the first n lines are a fair sample as well. The same clips, in
    any order, count and seed give the same list.

    Args:
        clips: what there is to pair.
        count: how many pairs.
        seed: of the drawing.
        different_speakers: nobody is paired with a clip of their own.

    Raises:
        UserError: there are not so many such pairs.
    """
    _check(clips, count, different_speakers)
    clips = sorted(clips, key=lambda clip: clip.name)
    # The shortest first: the sounds that a video is long enough for are the first `fitting` ones.
    sounds = sorted(
        (clip for clip in clips if clip.n_driven >= MIN_FRAMES), key=lambda clip: clip.n_driven
    )
    lengths = [sound.n_driven for sound in sounds]
    own = _places(sounds, different_speakers)
    fitting = [bisect_right(lengths, clip.n_frames) for clip in clips]
    barred = [own.get(_owner(clip, different_speakers), []) for clip in clips]
    free = [fit - bisect_left(places, fit) for fit, places in zip(fitting, barred, strict=True)]
    ends = list(accumulate(free))
    total = ends[-1] if ends else 0
    if count > total:
        whose = "clips of different speakers" if different_speakers else "different clips"
        raise UserError(
            f"count={count} pairs are asked for and only {total} can be made of {len(clips)} clips "
            f"({len(sounds)} with sound for {MIN_FRAMES} frames or more): two {whose}, and the "
            "video at least as long as the sound."
        )
    pairs = []
    for number in _draw(count, total, Random(seed)):
        video = bisect_right(ends, number)
        place = number - (ends[video] - free[video])
        for taken in barred[video]:  # ascending: count only the sounds that are free
            if taken > place:
                break
            place += 1
        pairs.append(Pair(sounds[place].name, clips[video].name))
    return pairs


def _check(clips: Sequence[Candidate], count: int, different_speakers: bool) -> None:
    if count < 1:
        raise UserError(f"count={count} must be at least 1.")
    name, times = next(iter(Counter(clip.name for clip in clips).most_common(1)), ("", 0))
    if times > 1:
        raise UserError(f"{name} is there {times} times: a clip may stand in the list once.")
    unknown = [clip.name for clip in clips if clip.speaker is None]
    if different_speakers and unknown:
        raise UserError(
            f"different_speakers=true needs clips called speaker/clip, and {unknown[0]} does not "
            "say who it shows."
        )


def _owner(clip: Candidate, different_speakers: bool) -> str:
    """What a pair's clips may not share."""
    return str(clip.speaker) if different_speakers else clip.name


def _places(sounds: Sequence[Candidate], different_speakers: bool) -> Mapping[str, list[int]]:
    """Where each owner's sounds stand, ascending."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, sound in enumerate(sounds):
        places[_owner(sound, different_speakers)].append(place)
    return places


def _draw(count: int, total: int, random: Random) -> list[int]:
    """`count` different numbers below `total` in random order, all sets equally likely.

    Floyd's algorithm, by `random()` alone: it is the one thing whose results Python promises not
    to change from version to version.
    """
    drawn: list[int] = []
    seen: set[int] = set()
    for last in range(total - count, total):
        number = int(random.random() * (last + 1))
        number = last if number in seen else number
        seen.add(number)
        drawn.append(number)
    # Floyd's order is not random, late numbers come late.
    return [number for _, number in sorted((random.random(), number) for number in drawn)]


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
