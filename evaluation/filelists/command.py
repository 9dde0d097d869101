"""The command: fetches published lists, writes lists of cross pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.console import Console

from evaluation.filelists.fetch import fetch
from evaluation.filelists.keys import Filelists
from evaluation.filelists.published import PublishedList, doubts, published_lists
from w2l.cli.hydra_app import run
from w2l.errors import UserError
from w2l.filelists import cross_pairs, write_pairs
from w2l.files import check_writable, sha256
from w2l.paths import user_path
from w2l.progress import counted
from w2l.weights.catalog import suggestion

ALL = "all"


def main() -> None:
    """Run `python -m evaluation.filelists`."""
    run(filelists, Filelists)


def filelists(settings: Filelists) -> None:
    """Fetch and write what the config says.

    Raises:
        UserError: it says nothing or nonsense, a list cannot be had, or no such pairs exist.
    """
    if settings.fetch is None and settings.pairs is None:
        raise UserError(
            "Nothing to do: fetch=lrs2 (lrs3, lrw, all) fetches a published list, "
            "pairs=FILE data_root=FOLDER count=N writes one of your own."
        )
    if settings.fetch is not None:
        _fetch(settings)
    if settings.pairs is not None:
        _write_pairs(settings)


def _fetch(settings: Filelists) -> None:
    out = user_path(settings.out)
    told = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    for entry in _wanted(str(settings.fetch), settings.home):
        got = fetch(entry, out, told)
        origin = f"from {got.url}" if got.url else "was there already"
        print(f"{got.path}: {entry.lines} pairs, {origin}; SHA-256 {got.sha256}")
        for doubt in doubts(got.path, entry):
            print(f"  note: {doubt}")
        print(f"  Licence: {entry.licence}; see {entry.page}")


def _wanted(name: str, home: str | None) -> list[PublishedList]:
    lists = published_lists()
    if name != ALL and name not in lists:
        raise UserError(f"There is no list fetch={name}{suggestion(name, [*lists, ALL])}.")
    wanted = list(lists.values()) if name == ALL else [lists[name]]
    if home is None:
        return wanted
    folder = str(home).rstrip("/")
    if not folder.startswith(("http://", "https://")):
        raise UserError(f"home={home} is no http:// or https:// address of a folder.")
    return [replace(entry, urls=(f"{folder}/{entry.name}.txt",)) for entry in wanted]


def _write_pairs(settings: Filelists) -> None:
    root, count = settings.data_root, settings.count
    if root is None or count is None:
        key = "data_root" if root is None else "count"
        raise UserError(f"pairs={settings.pairs} needs {key}=… as well (--help says what it is).")
    target = user_path(settings.pairs)
    check_writable(target)
    clips = None if settings.clips is None else user_path(settings.clips)
    from evaluation.filelists.lengths import candidates  # brings Lightning, which takes seconds

    found, notes = candidates(user_path(root), clips, settings.split, settings.pattern, _watch)
    for note in notes:
        print(f"note: {note}")
    pairs = cross_pairs(
        found, count, seed=settings.seed, different_speakers=settings.different_speakers
    )
    write_pairs(target, pairs)
    print(f"{target}: {len(pairs)} pairs of {len(found)} clips; SHA-256 {sha256(target)}")


def _watch(names: Sequence[str]) -> Iterable[str]:
    return counted(names, len(names), Console(stderr=True), "measuring", "videos")
