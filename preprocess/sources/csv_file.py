"""`source=csv`: a row per clip, a file here or an address, whole or from one time to another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from preprocess.sources.names import folder_name, tell_apart
from preprocess.splits import SPLITS
from w2l.components import Announce, Clip, Listing, silent
from w2l.errors import UserError
from w2l.filelists.reading import on_disk, read_table

COLUMNS = ("path", "url", "start", "end", "speaker", "split", "transcript")

Row = dict[str, str]


class Csv:
    """A table with a row per clip: a file here or an address, whole or from one time to another.

    A row without `speaker` belongs to a person of its own, whom it shares with the other rows of
    the same file or address.

    Args:
        data_root: the file, with a header line; `COLUMNS` in any order, other columns are left
            alone. Paths are relative to its folder.
        out: the set; the files of addresses go to `downloads` there. They have no endings: what
            kind of video it will be is not known before, and is told by its content.
    """

    any_videos = True

    def __init__(self, data_root: Path, out: Path) -> None:
        self.file, self.downloads = data_root, out / "downloads"

    def listing(self, announce: Announce = silent) -> Listing:
        """The clips, in the order of the rows.

        Raises:
            UserError: the file cannot be read, or a row is wrong: which line, and why.
        """
        file, downloads = self.file, self.downloads
        rows, others = _read(file)
        clips, lines = [], []
        for line, row in rows:
            with _naming(file, line):
                clips.append(_clip(row, file.parent, downloads))
            lines.append(line)
        if not clips:
            raise UserError(f"{file} has a header but no rows: add one per clip.")
        keys = tell_apart([clip.key for clip in clips], [clip.source for clip in clips])
        first: dict[str, int] = {}
        for key, line in zip(keys, lines, strict=True):
            if first.setdefault(key.casefold(), line) != line:
                raise UserError(
                    f"{file}, line {line}: this is the clip of line {first[key.casefold()]} again; "
                    "remove one of them."
                )
        without = [line for clip, line in zip(clips, lines, strict=True) if clip.split is None]
        if 0 < len(without) < len(clips):
            raise UserError(
                f"{file}, line {without[0]}: split is empty, though other rows have one; fill the "
                "column in, or leave it out to have speakers shared out."
            )
        named = [_renamed(clip, key) for clip, key in zip(clips, keys, strict=True)]
        return Listing(named, _notes(named, others))


def seconds(text: str) -> float:
    """A time as seconds, `12.5`, or as `h:mm:ss` or `mm:ss`, whose seconds may have decimals.

    Raises:
        UserError: it is neither.
    """
    match = re.fullmatch(r"([0-9]+:){0,2}[0-9]+(\.[0-9]*)?", text)
    parts = [float(part) for part in text.split(":")] if match else []
    if not parts or any(part >= 60 for part in parts[1:]):
        raise UserError(f"{text!r} is no time: write seconds (12.5) or h:mm:ss (0:00:12.5)")
    return sum(part * 60**place for place, part in enumerate(reversed(parts)))


def _read(file: Path) -> tuple[list[tuple[int, Row]], list[str]]:
    """Rows that are not empty, each with its line, and the header's unknown columns."""
    if not file.is_file():
        raise UserError(f"data_root={file} is not a file: source=csv needs data_root=FILE.csv.")
    columns, found = read_table(file)
    header = [name.lower() for name in columns]
    if not {"path", "url"} & set(header):
        raise UserError(
            f"{file} has no column path or url in its first line "
            f"({', '.join(header) or 'which is empty'}): name the columns there, separated by "
            "commas."
        )
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise UserError(f"{file} has two columns called {twice[0]}: remove one.")
    rows = [(row.line, {name.lower(): cell for name, cell in row.cells.items()}) for row in found]
    return rows, [name for name in header if name not in COLUMNS]


@contextmanager
def _naming(file: Path, line: int) -> Iterator[None]:
    """Within, what is wrong with a row becomes a sentence that names its line."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{file}, line {line}: {error}.") from error


def _clip(row: Row, folder: Path, downloads: Path) -> Clip:
    path, url = row.get("path", ""), row.get("url", "")
    if bool(path) == bool(url):
        raise UserError("give either path or url" + (", not both" if path else ""))
    start = seconds(row["start"]) if row.get("start") else 0.0
    end = seconds(row["end"]) if row.get("end") else None
    if end is not None and end <= start:
        raise UserError(f"end={row['end']} must be later than start={row.get('start') or 0}")
    split = row.get("split") or None
    if split is not None and split not in SPLITS:
        raise UserError(f"split={split} is unknown: use {', '.join(SPLITS)}")
    file: str | None = None
    if url:
        address = urlsplit(url)
        if address.scheme not in {"http", "https"} or not address.netloc:
            raise UserError(f"{url} is no address: it begins with https:// or http://")
        name = speaker = _words(url)
        root, source, file = downloads, url, f"{name}-{_digest(url)}"
    else:
        place = on_disk(folder / path)
        if not place.is_file():
            raise UserError(f"{place} is not a file")
        root, source = folder, Path(path).as_posix()
        if place != folder / path:
            file = str(place.absolute())
        name, speaker = place.stem, Path(path).with_suffix("").as_posix().lstrip("./")
    cut = f"_{_short(start)}-{'' if end is None else _short(end)}" if start or end else ""
    return Clip(
        root=root,
        source=source,
        speaker=folder_name(row.get("speaker") or speaker),
        name=folder_name(name) + cut,
        split=split,
        transcript=row.get("transcript") or None,
        start_s=start,
        end_s=end,
        url=url or None,
        file=file,
    )


def _words(url: str) -> str:
    """What an address says, as a name: `https://ted.com/a.mp4` → `ted_com_a_mp4`."""
    return re.sub(r"\W+", "_", url.partition("://")[2], flags=re.ASCII).strip("_")[-80:]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _short(value: float) -> str:
    """Seconds to the millisecond, without the zeros at the end."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _renamed(clip: Clip, key: str) -> Clip:
    speaker, name = key.split("/")
    return replace(clip, speaker=speaker, name=name)


def _notes(clips: list[Clip], others: list[str]) -> list[str]:
    notes = []
    if others:
        notes.append(f"Columns left alone: {', '.join(name or '(no name)' for name in others)}.")
    lists: dict[str, set[str | None]] = {}
    for clip in clips:
        lists.setdefault(clip.speaker, set()).add(clip.split)
    torn = sorted(speaker for speaker, splits in lists.items() if len(splits) > 1)
    if torn:
        notes.append(
            f"{len(torn)} speakers are in more than one split (the first: {torn[0]}): scores on "
            "them say nothing of new people."
        )
    return notes
