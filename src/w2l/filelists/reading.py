"""Lists and tables as people's programs write them: one reader for all of them.

Excel writes UTF-16, Latin-1 or UTF-8 with a byte order mark; `;` or tabs between the cells; blanks
behind a name, rows of nothing but commas, and line breaks within quotes.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from w2l.errors import UserError
from w2l.files import atomic_path

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")


def read_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number (from 1) and words of each line that is not blank.

    Raises:
        UserError: as `read_text`.
    """
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield number, line.split()


def write_words(path: Path, lines: Iterable[tuple[str, ...]]) -> None:
    """Write a list whole or not at all: words apart by one blank, a line feed behind each line.

    Raises:
        UserError: a word would not be read back as it is, or the file cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for words in lines:
            for word in words:
                if word.split() != [word]:
                    raise UserError(
                        f"{word!r} cannot stand in a list, whose words are apart by blanks: "
                        "rename the clip."
                    )
            file.write(" ".join(words) + "\n")


def is_name(text: str) -> bool:
    """Whether `text` names something below a folder: no `..`, no absolute path, no backslash."""
    parts = text.split("/")
    return all(parts) and not {".", ".."} & set(parts) and "\\" not in text and "\0" not in text


@dataclass(frozen=True, slots=True)
class SplitEntry:
    """One line, `speaker/clip [tag]`.

    Attributes:
        speaker: folder of the clips of one person.
        clip: name of the clip in it, without an ending.
        tag: what stands behind it: LRS2 marks some clips NF or MV; None: nothing.
    """

    speaker: str
    clip: str
    tag: str | None = None

    @property
    def name(self) -> str:
        """`speaker/clip`."""
        return f"{self.speaker}/{self.clip}"


def read_split(path: str | Path) -> list[SplitEntry]:
    """See `split_entries`."""
    return list(split_entries(path))


def split_entries(path: str | Path) -> Iterator[SplitEntry]:
    """The entries of a split list, in its order; blank lines and the ending `.mp4` are dropped.

    Raises:
        UserError: the list cannot be read, or a line is of another form.
    """
    path = Path(path)
    for number, (first, *rest) in read_lines(path):
        name = first.removesuffix(".mp4")
        if name.count("/") != 1 or not is_name(name):
            raise UserError(f"{path}, line {number}: {first!r} is not of the form speaker/clip.")
        tag = " ".join(rest) or None
        if tag is not None and "/" in tag:
            raise UserError(
                f"{path}, line {number}: two clips in a line, which is a list of pairs for "
                "evaluation; a split list has one, speaker/clip."
            )
        speaker, clip = name.split("/")
        yield SplitEntry(speaker, clip, tag)


def write_split(path: str | Path, entries: Iterable[SplitEntry]) -> None:
    """Write a split list that `read_split` reads, whole or not at all.

    Raises:
        UserError: a name has a blank, or the file cannot be written.
    """
    write_words(Path(path), ((e.name,) if e.tag is None else (e.name, e.tag) for e in entries))


@dataclass(frozen=True)
class Row:
    """A row of a table: its line in the file, from 1, and its cells by column, without blanks."""

    line: int
    cells: Mapping[str, str]


def read_text(path: Path) -> str:
    """A text in UTF-8 or UTF-16, with a byte order mark or not, else in Windows' Latin-1.

    Line ends become `\\n`.

    Raises:
        UserError: it cannot be read, or is no text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read the list {path} ({error.strerror}).") from error
    try:
        text = content.decode(_encoding(content))
    except UnicodeDecodeError as error:
        raise UserError(_no_list(path)) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _NO_TEXT.search(text):
        raise UserError(_no_list(path))
    return text


def _no_list(path: Path) -> str:
    return f"{path} is no list: it holds something else than text. Save it as UTF-8."


def _encoding(content: bytes) -> str:
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return name
    for name, zeros in (("utf-16-be", content[0:400:2]), ("utf-16-le", content[1:400:2])):
        if zeros.count(0) > len(zeros) / 2:
            return name
    for name in ("utf-8", "cp1252"):
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    return "latin-1"


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """The columns of a table, and its rows that are not empty.

    Cells are apart by `,`, `;` or tabs, whichever the first line has most of; empty rows before it
    are none. A column without a name and without values is none; a row may end early.

    Raises:
        UserError: it cannot be read, a quote is not closed, a name is there twice, or a row has
            more values than columns.
    """
    text = read_text(path)
    lines = text.split("\n", 2)
    skipped = 0
    if re.fullmatch(r'"?sep=.?"?', lines[0].strip(), re.IGNORECASE):  # Excel's own first line
        text, skipped = text.partition("\n")[2], 1
    first = next((line for line in text.split("\n") if line.strip(",; \t")), "")
    delimiter = max(",;\t", key=first.count)
    stream = io.StringIO(text, newline="")
    reader = csv.reader(
        stream, delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True
    )
    try:
        found = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise UserError(
            f"{path} is no comma-separated text ({error}): close every quote, or export it anew."
        ) from error
    while found and not any(found[0][1]):
        found.pop(0)
    header = found[0][1] if found else []
    while header and not header[-1]:
        header.pop()
    for name in header:
        if name and header.count(name) > 1:
            raise UserError(f"{path} has two columns called {name}: rename or remove one of them.")
    rows = []
    for line, cells in found[1:]:
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        if len(cells) > len(header):
            raise UserError(
                f"{path}, line {line}: it has {len(cells)} values and the header {len(header)}; "
                f"put a value that holds {delimiter!r} into quotes."
            )
        cells += [""] * (len(header) - len(cells))
        rows.append(Row(line, dict(zip(header, cells, strict=True))))
    return header, rows


def read_names(path: Path) -> list[str]:
    """The lines of a list of paths, without blanks around them and Excel's quotes.

    Empty lines, and those that begin with `#`, are left out.
    """
    names = (line.strip() for line in read_text(path).split("\n"))
    return [_unquoted(name) for name in names if name and not name.startswith("#")]


def _unquoted(name: str) -> str:
    if not (len(name) > 1 and name[0] == name[-1] == '"'):
        return name
    return name[1:-1].replace('""', '"')


def on_disk(path: Path) -> Path:
    """A path of a list, or the file of the same name in Latin-1 where only that is there."""
    if os.path.lexists(path):
        return path
    try:
        other = Path(os.fsdecode(str(path).encode("cp1252")))
    except UnicodeEncodeError:
        return path
    return other if os.path.lexists(other) else path
