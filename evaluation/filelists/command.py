"""The command: fetches published lists, writes lists of cross pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from evaluation.filelists.fetch import fetch
from evaluation.filelists.published import PublishedList, doubts, published_lists
from w2l.cli.hydra_app import run
from w2l.errors import UserError
from w2l.filelists import cross_pairs, write_pairs
from w2l.files import check_writable, sha256
from w2l.paths import user_path
from w2l.weights.catalog import suggestion

ALL = "all"


def main() -> None:
    """Run `python -m evaluation.filelists`."""
    run(filelists, "filelists")


def filelists(cfg: DictConfig) -> None:
    """Fetch and write what the config says.

    Raises:
        UserError: it says nothing or nonsense, a list cannot be had, or no such pairs exist.
    """
    if cfg.fetch is None and cfg.pairs is None:
        raise UserError(
            "Nothing to do: fetch=lrs2 (lrs3, lrw, all) fetches a published list, "
            "pairs=FILE data_root=FOLDER count=N writes one of your own."
        )
    if cfg.fetch is not None:
        _fetch(cfg)
    if cfg.pairs is not None:
        _write_pairs(cfg)


def _fetch(cfg: DictConfig) -> None:
    out = user_path(cfg.out)
    told = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    for entry in _wanted(str(cfg.fetch), cfg.home):
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


def _write_pairs(cfg: DictConfig) -> None:
    for key in ("data_root", "count"):
        if cfg[key] is None:
            raise UserError(f"pairs={cfg.pairs} needs {key}=… as well (--cfg job says what it is).")
    if type(cfg.count) is not int or type(cfg.seed) is not int:
        raise UserError(f"count={cfg.count} and seed={cfg.seed} must be whole numbers.")
    target = user_path(cfg.pairs)
    check_writable(target)
    root = user_path(cfg.data_root)
    clips = None if cfg.clips is None else user_path(cfg.clips)
    from evaluation.filelists.lengths import candidates  # brings Lightning, which takes seconds

    found, notes = candidates(root, clips, str(cfg.split), str(cfg.pattern), _watch)
    for note in notes:
        print(f"note: {note}")
    pairs = cross_pairs(
        found, cfg.count, seed=cfg.seed, different_speakers=bool(cfg.different_speakers)
    )
    write_pairs(target, pairs)
    print(f"{target}: {len(pairs)} pairs of {len(found)} clips; SHA-256 {sha256(target)}")


def _watch(names: Sequence[str]) -> Iterable[str]:
    return track(names, "measuring", console=Console(stderr=True))
