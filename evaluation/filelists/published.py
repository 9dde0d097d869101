"""The lists that the published scores are means over: where they are, and how they are told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from w2l.errors import UserError
from w2l.filelists import read_pairs
from w2l.filelists.reading import read_text
from w2l.files import sha256
from w2l.weights.mirrors import WrongFileError

REGISTRY_FILE = Path(__file__).with_name("published.json")


@dataclass(frozen=True)
class PublishedList:
    """One list.

    Attributes:
        name: what a user types, e.g. `lrs2`; it becomes `<name>.txt`.
        title: what messages call it.
        urls: addresses in the order they are tried.
        page: a page for a person.
        lines: how many pairs were published.
        characters: of the text, line ends as one, as read from one copy: no proof, so another
            count is told and not refused. None: nobody counted.
        form: of a clip's name, for messages.
        pattern: the same as a regular expression.
        sha256: hexadecimal, or None where no source gives it.
        evidence: how well the hash is known: "agree" (separate sources give the same), "one source"
            or "unknown".
        note: where hash and counts were read.
        licence: as far as it is stated.
    """

    name: str
    title: str
    urls: tuple[str, ...]
    page: str
    lines: int
    characters: int | None
    form: str
    pattern: str
    sha256: str | None
    evidence: str
    note: str
    licence: str


def published_lists(path: Path = REGISTRY_FILE) -> Mapping[str, PublishedList]:
    """Every published list by its name."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: PublishedList(name=name, **{**entry, "urls": tuple(entry["urls"])})
        for name, entry in entries.items()
    }


def check(path: Path, entry: PublishedList) -> str:
    """The SHA-256 of a file that is the published list.

    Where the published hash is not known, form and number of the lines decide.

    Raises:
        WrongFileError: it is another file; the text says why in a clause.
        OSError: it cannot be read.
    """
    digest = sha256(path)
    if entry.sha256 is not None:
        if digest != entry.sha256:
            raise WrongFileError(f"its SHA-256 is {digest}, the published one {entry.sha256}")
        return digest
    try:
        pairs = read_pairs(path)
    except UserError as error:
        raise WrongFileError(str(error).rstrip(".")) from error
    for number, pair in enumerate(pairs, 1):
        for name in (pair.audio, pair.video):
            if not re.fullmatch(entry.pattern, name):
                raise WrongFileError(
                    f"its pair {number} names {name!r}, which is not of the form {entry.form}"
                )
    if len(pairs) != entry.lines:
        raise WrongFileError(f"it holds {len(pairs)} pairs where {entry.lines} were published")
    return digest


def doubts(path: Path, entry: PublishedList) -> list[str]:
    """What should make a reader of `path` wonder, as clauses; `check` let it pass."""
    if entry.sha256 is not None:
        return []
    told = ["no source gives its SHA-256, so only the form and number of its lines were checked"]
    characters = len(read_text(path))
    if entry.characters is not None and characters != entry.characters:
        told.append(
            f"it has {characters} characters where a copy once had {entry.characters}: the "
            "published list may have changed"
        )
    return told
