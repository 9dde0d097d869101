"""Which pairs a benchmark has: LRS2, LRS3 and LRW from their lists, real videos from folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from w2l.errors import UserError, either
from w2l.filelists import clip_file, read_pairs
from w2l.filelists.reading import is_name, read_lines, read_table
from w2l.filelists.videos import VIDEO_ENDINGS

LISTED = ("lrs2", "lrs3", "lrw")
REAL_SETS = ("dubbed", "random", "tts")


@dataclass(frozen=True)
class Task:
    """One pair: this video is to say that sound.

    Attributes:
        set: lrs2, lrs3, lrw, dubbed, random, tts.
        number: of the pair in its list, from 0, as the release numbers its videos.
        audio, video: as the list names them.
        audio_file, video_file: the files; whether they are there is not yet known.
    """

    set: str
    number: int
    audio: str
    video: str
    audio_file: Path
    video_file: Path

    @property
    def key(self) -> str:
        """`set/number`: where its video and its record lie."""
        return f"{self.set}/{self.number}"


@dataclass(frozen=True)
class TaskList:
    """The pairs of one set.

    Attributes:
        name: of the set.
        source: the list, or the folder.
        tasks: in the list's order.
    """

    name: str
    source: Path
    tasks: Sequence[Task]


def listed_tasks(name: str, filelist: Path, root: Path) -> TaskList:
    """The pairs of a list in the published form, `audio_clip video_clip` below `root`.

    Raises:
        UserError: the list cannot be read, or `root` is no folder.
    """
    _need_folder(root)
    if not filelist.is_file():
        raise UserError(
            f"There is no list {filelist}: `python -m evaluation.filelists fetch={name}` fetches "
            "the published one, and filelist=FILE names another."
        )
    tasks = [
        Task(name, number, pair.audio, pair.video, _clip(root, pair.audio), _clip(root, pair.video))
        for number, pair in enumerate(read_pairs(filelist))
    ]
    return TaskList(name, filelist, tasks)


def _clip(root: Path, name: str) -> Path:
    """The file of a clip; LRW's lists leave out the folders of the word and of the part."""
    path = clip_file(root, name)
    word = name.rpartition("_")[0]
    inside = root / word / "test" / f"{name}.mp4"
    return inside if word and "/" not in name and not path.is_file() else path


def real_tasks(root: Path, wanted: str | Sequence[str] | None) -> list[TaskList]:
    """The sets of real videos below `root`.

    A set's pairs are the lines `video audio` of `<set>_pairs.txt` (ReSyncED's names) or
    `<set>.txt`, or the columns video and audio of `<set>.csv`, named from `<root>/<set>` if there
    is such a folder, else from `root`. Dubbed videos have their sound already: without a list,
    every video below `<root>/dubbed` is one.

    Args:
        root: the folder.
        wanted: which sets, or the one; None: all that are there.

    Raises:
        UserError: a set is unknown or not there, or none is.
    """
    _need_folder(root)
    wanted = [wanted] if isinstance(wanted, str) else wanted
    for name in wanted or ():
        if name not in REAL_SETS:
            raise UserError(f"sets={name} is unknown: choose of {either(REAL_SETS)}.")
    found = [each for name in wanted or REAL_SETS if (each := _real_set(root, name)) is not None]
    missing = [name for name in wanted or () if name not in {each.name for each in found}]
    if missing or not found:
        name = missing[0] if missing else REAL_SETS[0]
        raise UserError(
            f"data_root={root} has no set {name}: it takes {name}_pairs.txt or {name}.csv, lines "
            "of a video and a sound, and for dubbed videos a folder dubbed/ will do."
        )
    return found


def _real_set(root: Path, name: str) -> TaskList | None:
    folder = root / name if (root / name).is_dir() else root
    for source in (root / f"{name}_pairs.txt", root / f"{name}.txt", root / f"{name}.csv"):
        if source.is_file():
            lines = list(_csv_pairs(source) if source.suffix == ".csv" else _text_pairs(source))
            if not lines:
                raise UserError(f"{source} holds no pair: each line is a video and a sound.")
            break
    else:
        if name != "dubbed" or not (root / name).is_dir():
            return None
        source = root / name
        videos = (
            path.relative_to(source).as_posix()
            for path in sorted(source.rglob("*"))
            if path.suffix.lower() in VIDEO_ENDINGS and not path.name.startswith(".")
        )
        lines = [(video, video) for video in videos]
        if not lines:
            raise UserError(f"There is no video in {source}.")
    tasks = [
        Task(name, number, audio, video, folder / audio, folder / video)
        for number, (video, audio) in enumerate(lines)
    ]
    return TaskList(name, source, tasks)


def _text_pairs(path: Path) -> Iterator[tuple[str, str]]:
    for number, words in read_lines(path):
        if len(words) != 2 or not all(map(is_name, words)):
            raise UserError(
                f"{path}, line {number}: a video and a sound are wanted, two paths below the set's "
                "folder; where names have blanks, write a .csv."
            )
        yield words[0], words[1]


def _csv_pairs(path: Path) -> Iterator[tuple[str, str]]:
    header, rows = read_table(path)
    if not {"video", "audio"} <= set(header):
        raise UserError(f"{path} cannot be read as a table with the columns video and audio.")
    for row in rows:
        yield row.cells["video"], row.cells["audio"]


def _need_folder(root: Path) -> None:
    if not root.is_dir():
        raise UserError(f"data_root={root} is not a folder.")
