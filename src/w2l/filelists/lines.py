"""What all lists have in common: lines of UTF-8, and names that stay inside their folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from w2l.errors import UserError
from w2l.files import atomic_path


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number (from 1) and words of each line that is not blank; a byte order mark is dropped.

    Raises:
        UserError: no such file, or it holds something else than text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no list: it holds something else than UTF-8 text.") from error
    except OSError as error:
        raise UserError(f"Cannot read the list {path} ({error.strerror}).") from error
    lines = enumerate(text.splitlines(), 1)
    return [(number, line.split()) for number, line in lines if line.strip()]


def write_words(path: Path, lines: Iterable[tuple[str, ...]]) -> None:
    """Write a list whole or not at all: words apart by one blank, a line feed behind each line.

    Raises:
        UserError: a word would not be read back as it is, or the file cannot be written.
    """
    text = ""
    for words in lines:
        for word in words:
            if word.split() != [word]:
                raise UserError(
                    f"{word!r} cannot stand in a list, whose words are apart by blanks: "
                    "rename the clip."
                )
        text += " ".join(words) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def is_name(text: str) -> bool:
    """Whether `text` names something below a folder: no `..`, no absolute path, no backslash."""
    parts = text.split("/")
    return all(parts) and not {".", ".."} & set(parts) and "\\" not in text and "\0" not in text
