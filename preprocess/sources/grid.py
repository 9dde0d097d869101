"""`source=grid`: the GRID corpus, `s1/<sentence>.mpg`, in folders or in the published archives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from preprocess.sources.archives import unpack
from preprocess.sources.folder import walk
from preprocess.sources.layouts import find_layout, grid_speaker, is_grid_archive
from preprocess.sources.names import folder_name
from w2l.components import Announce, Clip, Listing, silent
from w2l.lock import only_writer

# Who trains, validates and tests: nobody twice. docs/grid.md says why these.
SPEAKERS = {
    "train": (
        1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 27, 28, 29,
        30, 31, 33,
    ),
    "val": (34,),
    "test": (2, 3, 4, 26, 32),
}  # fmt: skip
SPLIT_OF = {f"s{number}": split for split, numbers in SPEAKERS.items() for number in numbers}
SENTENCES = 1000  # of each speaker; of s21 there is no video

# A sentence's name has a letter or digit for each word, "bbaf2n": bin blue at f two now.
_WORDS = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    {
        "z": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
        "7": "seven", "8": "eight", "9": "nine",
    },
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)  # fmt: skip


class Grid:
    """The GRID corpus, in the order of paths; archives are unpacked first.

    The speaker is the last folder, or archive, that is called `s1` to `s34`, and else the first
    folder. What was spoken says the alignment of the sentence's name, in whatever folder: of the
    published ones some lie in others' folders, and one name is one sentence.

    Args:
        data_root: folder of the speakers or of the archives, however deep they lie in it.
        out: the set; archives are unpacked into `videos` there, and what is there already stays.
    """

    any_videos = False

    def __init__(self, data_root: Path, out: Path) -> None:
        self.data_root, self.unpacked = data_root, out / "videos"

    def listing(self, announce: Announce = silent) -> Listing:
        """The videos of all speakers.

        Raises:
            UserError: the layout is another, or an archive cannot be read.
        """
        data_root, unpacked = self.data_root, self.unpacked
        root = find_layout("grid", data_root)
        corpus = _Corpus(root)
        files = sorted(walk(root, unpacked))
        corpus.take(root, files)
        archives = [source for source in files if is_grid_archive(source)]
        if archives:
            with only_writer(
                unpacked, lambda: announce("another run unpacks the archives: waiting")
            ):
                for source in archives:
                    announce(f"unpacking {source} into {unpacked}")
                    folder = Path(source).with_suffix("").as_posix()
                    wanted = partial(corpus.lacks, folder)
                    there, damaged = unpack(root / source, unpacked / folder, wanted)
                    corpus.take(unpacked, sorted(f"{folder}/{name}" for name in there))
                    corpus.damaged += [f"{source}: {name}" for name in damaged]
        return Listing(corpus.clips(), list(corpus.notes()))


def sentence(name: str) -> str | None:
    """The six words that a file's name stands for; None where it is no sentence of GRID.

    >>> sentence("lwbsza")
    'lay white by s zero again'
    """
    if len(name) != len(_WORDS):
        return None
    words = [known.get(letter) for known, letter in zip(_WORDS, name.lower(), strict=True)]
    return None if None in words else " ".join(filter(None, words))


class _Corpus:
    """What was found of it.

    Args:
        root: its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.videos: dict[str, Clip] = {}  # by speaker and sentence
        self.alignments: dict[str, Path] = {}  # by sentence
        self.again: list[str] = []  # videos of a speaker and sentence that was there
        self.damaged: list[str] = []

    def lacks(self, folder: str, name: str) -> bool:
        """Whether a file of the archive of a folder is a video or alignment not taken yet."""
        source = f"{folder}/{name}"
        if _ending(source) == ".align":
            return Path(source).stem.casefold() not in self.alignments
        return _ending(source) == ".mpg" and _key(*self._names(source)) not in self.videos

    def take(self, base: Path, sources: Iterable[str]) -> None:
        """Take the videos and alignments among files below `base`."""
        for source in sources:
            if _ending(source) == ".align":
                self.alignments.setdefault(Path(source).stem.casefold(), base / source)
            elif _ending(source) == ".mpg":
                speaker, name = self._names(source)
                clip = Clip(base, source, speaker, name, SPLIT_OF.get(speaker, "train"))
                if self.videos.setdefault(_key(speaker, name), clip) is not clip:
                    self.again.append(source)

    def clips(self) -> list[Clip]:
        """Each with what is spoken."""
        return [
            Clip(
                clip.root, clip.source, clip.speaker, clip.name, clip.split,
                self.alignments.get(clip.name.casefold()) or sentence(clip.name),
            )
            for clip in self.videos.values()
        ]  # fmt: skip

    def notes(self) -> Iterable[str]:
        """What is missing, and what is odd."""
        counts = Counter(clip.speaker for clip in self.videos.values())
        absent = [speaker for speaker in SPLIT_OF if not counts[speaker]]
        other = [f"{s} {counts[s]}" for s in SPLIT_OF if counts[s] not in (0, SENTENCES)]
        if absent or other:
            yield (
                f"{self.root} holds {sum(counts[s] for s in SPLIT_OF)} of GRID's "
                f"{SENTENCES * len(SPLIT_OF)} videos, {SENTENCES} of each of {len(SPLIT_OF)} "
                f"speakers: no video of {_few(absent)}, another number of {_few(other)}."
            )
        unknown = sorted(counts.keys() - SPLIT_OF.keys())
        if unknown:
            yield (
                f"{sum(counts[speaker] for speaker in unknown)} videos lie in folders that are not "
                f"called as one of the {len(SPLIT_OF)} speakers: {_few(unknown)}. They train; "
                "whether these people also validate or test is not known."
            )
        if self.again:
            yield (
                f"{len(self.again)} videos lie there more than once, by speaker and sentence (the "
                f"first: {self.again[0]}): one of each is taken."
            )
        if self.damaged:
            yield (
                f"{len(self.damaged)} files of archives are damaged and left out (the first: "
                f"{self.damaged[0]}): fetch the archive anew."
            )
        bare = [c.name for c in self.videos.values() if c.name.casefold() not in self.alignments]
        if bare:
            wordless = sum(sentence(name) is None for name in bare)
            yield (
                f"{len(bare)} of {len(self.videos)} videos have no alignment: the words of "
                f"{len(bare) - wordless} are told by their names, of {wordless} they are not known."
            )

    def _names(self, source: str) -> tuple[str, str]:
        """Speaker and sentence of a video."""
        *folders, file = source.split("/")
        speaker = grid_speaker([self.root.absolute().name, *folders])
        first = folders[0] if folders else self.root.absolute().name
        return speaker or folder_name(first), folder_name(Path(file).stem)


def _ending(source: str) -> str:
    return Path(source).suffix.lower()


def _key(speaker: str, name: str) -> str:
    return f"{speaker}/{name}".casefold()


def _few(names: Collection[str]) -> str:
    """`3 (s2, s6, s7)`."""
    shown = ", ".join([*names][:5]) + (", …" if len(names) > 5 else "")
    return f"{len(names)} ({shown})" if names else "0"
