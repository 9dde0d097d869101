"""Brings a published list from its own home to a folder; nothing of it is shipped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from evaluation.filelists.published import PublishedList, check
from w2l.errors import UserError
from w2l.lock import only_writer
from w2l.weights.mirrors import Wanted, WrongFileError, download_any, using

ELSEWHERE = "choose another folder with out="


@dataclass(frozen=True)
class Fetched:
    """A list that lies in the folder.

    Attributes:
        path: the file.
        sha256: of it, hexadecimal.
        url: the address that gave it; None: it was there before.
    """

    path: Path
    sha256: str
    url: str | None


def fetch(
    entry: PublishedList,
    out: Path,
    console: Console,
    *,
    timeout_s: float = 30.0,
    pause_s: float = 1.0,
) -> Fetched:
    """The published list as `<out>/<name>.txt`, downloaded unless it is there.

    It appears whole or not at all. The licence is printed before the download.

    Args:
        entry: which one.
        out: folder.
        console: where to tell; a progress bar is drawn where it is a terminal.
        timeout_s: seconds of silence after which a connection counts as dropped.
        pause_s: seconds before a dropped connection is taken up again.

    Raises:
        UserError: no address gives the list; the file that is there is another; the folder cannot
            be written to, or the disk is full.
    """
    target = out / f"{entry.name}.txt"
    verify = partial(check, entry=entry)
    with using(target, ELSEWHERE):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with only_writer(target, lambda: console.print("Another process fetches it")):
                if not target.exists():  # else the other one got it meanwhile
                    console.print(f"Fetching {entry.title} to {target}\n  Licence: {entry.licence}")
                    wanted = Wanted(entry.title, entry.urls, None, target, verify, ELSEWHERE)
                    url, digest = download_any(
                        wanted,
                        progress=console.is_terminal,
                        timeout_s=timeout_s,
                        pause_s=pause_s,
                    )
                    return Fetched(target, digest, url)
        try:
            return Fetched(target, verify(target), None)
        except WrongFileError as error:
            raise UserError(
                f"{target} is not {entry.title}: {error}; remove it to have it downloaded again, "
                "or choose another folder with out=."
            ) from error
