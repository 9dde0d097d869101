"""What lists of clips have in common: words apart by blanks, names that stay inside a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from w2l.errors import UserError
from w2l.filelists.reading import read_text
from w2l.files import atomic_path


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
