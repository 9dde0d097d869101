"""Verified weights in a folder on the user's machine."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from rich.console import Console

from w2l.errors import UserError
from w2l.files import sha256, user_cache
from w2l.lock import only_writer
from w2l.paths import user_path
from w2l.weights import catalog
from w2l.weights.catalog import WeightFile
from w2l.weights.download import is_html
from w2l.weights.hub import from_hub, is_hub
from w2l.weights.mirrors import Wanted, WrongFileError, download_any, using

ACCEPT_UNVERIFIED = "W2L_ACCEPT_UNVERIFIED"
ELSEWHERE = "set W2L_WEIGHTS_DIR to a folder of your own"


def cache_folder() -> Path:
    """`W2L_WEIGHTS_DIR`, else `w2l/weights` under `XDG_CACHE_HOME` or `~/.cache`."""
    return user_cache("weights", "W2L_WEIGHTS_DIR")


def locate(name_or_file: str | Path) -> Path:
    """A file by its path, published weights by their name, or `hf:…`; the latter two are fetched.

    Where nothing is at the path and no weights are called so, the path is given back: whoever
    reads it says what he misses.

    Raises:
        UserError: see `fetch`.
    """
    path, name = user_path(name_or_file), str(name_or_file)
    if is_hub(name) and not path.exists():
        return from_hub(name)
    return fetch(name) if not path.exists() and name in catalog.registry() else path


def fetch(
    name: str,
    cache_dir: str | Path | None = None,
    progress: bool = True,
    *,
    accept_unverified: bool | None = None,
    files: Mapping[str, WeightFile] | None = None,
    timeout_s: float = 30.0,
    pause_s: float = 1.0,
) -> Path:
    """The verified file of a registry name, downloaded if it is not in the cache.

    A file laid into the cache by hand is verified just the same. The licence is printed before
    a download, progress is shown while it runs, both on the error stream.

    Args:
        name: registry name, e.g. `wav2lip_gan`.
        cache_dir: folder of the files; by default `cache_folder()`.
        progress: whether to draw a progress bar.
        accept_unverified: take a file whose published hash nobody knows, and remember its hash
            for the next time; by default whether the environment has W2L_ACCEPT_UNVERIFIED=1.
        files: the registry; by default the one that ships with the package.
        timeout_s: seconds of silence after which a connection counts as dropped.
        pause_s: seconds before a dropped connection is taken up again.

    Raises:
        UserError: unknown name; no address gives the file (each one's reason is named, and the
            place to lay the file by hand); a file in the cache is not the published one.
    """
    entry = catalog.lookup(name, catalog.registry() if files is None else files)
    target = (Path(cache_dir) if cache_dir is not None else cache_folder()) / entry.file_name
    if accept_unverified is None:
        accept_unverified = os.environ.get(ACCEPT_UNVERIFIED, "") not in {"", "0"}
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    with using(target, ELSEWHERE):
        if not target.is_file():
            _may_download(target, entry, accept_unverified)
            target.parent.mkdir(parents=True, exist_ok=True)
            with only_writer(target, lambda: console.print(f"Another process fetches {name}")):
                if not target.is_file():  # else the other one got it meanwhile
                    console.print(f"Fetching {entry} to {target}\n  Licence: {entry.licence}")
                    _, digest = download_any(
                        _wanted(entry, target),
                        progress=progress,
                        timeout_s=timeout_s,
                        pause_s=pause_s,
                    )
                    if _expected_hash(target, entry) is None:
                        console.print(f"Accepted unverified: {name} has SHA-256 {digest}")
                    _remember(target, digest)
                    return target
        if newly_accepted := _check_present(target, entry, accept_unverified):
            console.print(f"Accepted unverified: {name} has SHA-256 {newly_accepted}")
    return target


def _check_present(target: Path, entry: WeightFile, accept_unverified: bool) -> str | None:
    """Verify a file in the cache; return its hash if it was only now accepted unverified."""
    expected = _expected_hash(target, entry)
    if expected is not None and _remembered(target) == _state(target, expected):
        return None
    try:
        digest = _verify(target, entry, expected)
    except WrongFileError as error:
        raise UserError(
            f"{target} is not the published {entry}: {error}; "
            "remove it to have it downloaded again, or lay the right file there."
        ) from error
    if expected is None and not accept_unverified:
        raise _unverified(entry, f" ({target} has {digest})")
    with contextlib.suppress(OSError):  # a read-only cache is hashed again each time
        _remember(target, digest)
    return digest if expected is None else None


def _wanted(entry: WeightFile, target: Path) -> Wanted:
    verify = partial(_verify, entry=entry, expected=_expected_hash(target, entry))
    return Wanted(str(entry), entry.urls, entry.size, target, verify, ELSEWHERE)


def _verify(path: Path, entry: WeightFile, expected: str | None) -> str:
    """The file's SHA-256, after comparing it and the size with what is known.

    Raises:
        WrongFileError: it is not the published file; the text says why in a clause.
    """
    with path.open("rb") as file:
        if is_html(file.read(512)):
            raise WrongFileError("it is an HTML page")
    size = path.stat().st_size
    if size == 0:
        raise WrongFileError("it is empty")
    if entry.size is not None and size != entry.size:
        kind = "truncated" if size < entry.size else "too long"
        raise WrongFileError(f"it is {kind}, {size} bytes in place of {entry.size}")
    digest = sha256(path)
    if digest == (expected or digest):
        return digest
    if entry.sha256 is None:
        raise WrongFileError(
            f"it is another file: its SHA-256 is {digest}, and {expected} was accepted before"
        )
    doubt = (
        " (read in one source only, so the list may be wrong: please report both values)"
        if entry.evidence == "one source"
        else ""
    )
    raise WrongFileError(
        f"it is another file: its SHA-256 is {digest}, the published one {expected}{doubt}"
    )


def _may_download(target: Path, entry: WeightFile, accept_unverified: bool) -> None:
    """Refuse before the first byte what could not be used after the last."""
    if not entry.urls:
        raise UserError(
            f"{entry} has no address that a program can fetch: get it from {entry.page} "
            f"and lay it at {target}."
        )
    if not accept_unverified and _expected_hash(target, entry) is None:
        raise _unverified(entry)


def _unverified(entry: WeightFile, found: str = "") -> UserError:
    return UserError(
        f"The SHA-256 of {entry} is not known, so nothing can tell whether it is genuine{found}: "
        f"set {ACCEPT_UNVERIFIED}=1 to accept it once and be warned if it ever changes."
    )


def _memory(target: Path) -> Path:
    """The small file that remembers a verified hash, and of which file it was computed."""
    return target.with_name(f"{target.name}.verified.json")


def _state(target: Path, digest: str) -> dict[str, str | int]:
    stat = target.stat()
    return {"sha256": digest, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _remember(target: Path, digest: str) -> None:
    _memory(target).write_text(json.dumps(_state(target, digest)), encoding="utf-8")


def _remembered(target: Path) -> dict[str, str | int]:
    try:
        memory = json.loads(_memory(target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _expected_hash(target: Path, entry: WeightFile) -> str | None:
    """The published hash, else the one that was accepted earlier."""
    accepted = _remembered(target).get("sha256")
    return entry.sha256 or (accepted if isinstance(accepted, str) else None)
