"""Verified weights in a folder on the user's machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from w2l.errors import UserError
from w2l.files import sha256
from w2l.weights import catalog
from w2l.weights.catalog import WeightFile, megabytes
from w2l.weights.download import DownloadError, Report, download, is_html
from w2l.weights.lock import only_writer

ACCEPT_UNVERIFIED = "W2L_ACCEPT_UNVERIFIED"


class _WrongFileError(Exception):
    """A file that is not the published one; the text says why in a clause."""


def cache_folder() -> Path:
    """`W2L_WEIGHTS_DIR`, else `w2l/weights` under `XDG_CACHE_HOME` or `~/.cache`."""
    if folder := os.environ.get("W2L_WEIGHTS_DIR"):
        return Path(folder).expanduser()
    # The XDG rules say to ignore a relative path there.
    base = Path(os.environ.get("XDG_CACHE_HOME", "")).expanduser()
    return (base if base.is_absolute() else Path.home() / ".cache") / "w2l" / "weights"


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

    with _using(target):
        if not target.is_file():
            _may_download(target, entry, accept_unverified)
            target.parent.mkdir(parents=True, exist_ok=True)
            with only_writer(target, lambda: console.print(f"Another process fetches {name}")):
                if not target.is_file():  # else the other one got it meanwhile
                    console.print(f"Fetching {entry} to {target}\n  Licence: {entry.licence}")
                    digest = _download_any(entry, target, progress, timeout_s, pause_s)
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
    except _WrongFileError as error:
        raise UserError(
            f"{target} is not the published {entry}: {error}; "
            "remove it to have it downloaded again, or lay the right file there."
        ) from error
    if expected is None and not accept_unverified:
        raise _unverified(entry, f" ({target} has {digest})")
    with contextlib.suppress(OSError):  # a read-only cache is hashed again each time
        _remember(target, digest)
    return digest if expected is None else None


def _download_any(
    entry: WeightFile, target: Path, progress: bool, timeout_s: float, pause_s: float
) -> str:
    """Bring the published bytes to `target` from the first address that gives them."""
    part = target.with_name(f"{target.name}.part")
    expected = _expected_hash(target, entry)
    failures: list[tuple[str, DownloadError]] = []
    for url in entry.urls:
        _check_space(part, entry)
        try:
            with _bar(entry, progress) as update:
                fetch_part = partial(
                    download,
                    url,
                    part,
                    entry.size,
                    timeout_s=timeout_s,
                    pause_s=pause_s,
                    progress=update,
                )
                digest = _verified_part(fetch_part, part, entry, expected)
        except DownloadError as error:
            failures.append((url, error))
        else:
            part.replace(target)
            return digest
    by_hand = f"fetch it by hand from {' or '.join(entry.urls)} and lay it at {target}"
    if all(error.unreachable for _, error in failures):
        reasons = "; ".join(sorted({str(error) for _, error in failures}))
        raise UserError(
            f"{entry} cannot be downloaded without a network ({reasons}): {by_hand}, "
            "where it will be verified."
        )
    reasons = "; ".join(f"{url}: {error}" for url, error in failures)
    raise UserError(f"{entry} could not be downloaded ({reasons}): try again later, or {by_hand}.")


def _verified_part(
    fetch_part: Callable[[], None], part: Path, entry: WeightFile, expected: str | None
) -> str:
    """Download and verify; once more from the start if a resumed file turns out wrong."""
    resumed = part.exists()
    fetch_part()
    try:
        return _verify(part, entry, expected)
    except _WrongFileError as error:
        part.unlink()
        if not resumed:
            raise DownloadError(str(error)) from error
    return _verified_part(fetch_part, part, entry, expected)


def _verify(path: Path, entry: WeightFile, expected: str | None) -> str:
    """The file's SHA-256, after comparing it and the size with what is known.

    Raises:
        _WrongFileError: it is not the published file; the text says why in a clause.
    """
    with path.open("rb") as file:
        if is_html(file.read(512)):
            raise _WrongFileError("it is an HTML page")
    size = path.stat().st_size
    if size == 0:
        raise _WrongFileError("it is empty")
    if entry.size is not None and size != entry.size:
        kind = "truncated" if size < entry.size else "too long"
        raise _WrongFileError(f"it is {kind}, {size} bytes in place of {entry.size}")
    digest = sha256(path)
    if digest == (expected or digest):
        return digest
    if entry.sha256 is None:
        raise _WrongFileError(f"its SHA-256 is {digest}, and {expected} was accepted before")
    doubt = (
        " (read in one source only, so the list may be wrong: please report both values)"
        if entry.evidence == "one source"
        else ""
    )
    raise _WrongFileError(f"its SHA-256 is {digest}, the published one {expected}{doubt}")


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


def _check_space(part: Path, entry: WeightFile) -> None:
    missing = (entry.size or 0) - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise UserError(
            f"{part.parent} has {megabytes(free)} free and {entry} needs {megabytes(missing)}: "
            "free some, or set W2L_WEIGHTS_DIR to another folder."
        )


@contextlib.contextmanager
def _using(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"Cannot use {target} ({error.strerror or error}): correct that, or set "
            "W2L_WEIGHTS_DIR to a folder of your own."
        ) from error


@contextlib.contextmanager
def _bar(entry: WeightFile, shown: bool) -> Iterator[Report]:
    """Draw a progress bar; yields the function that moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(entry.name, total=entry.size)
        yield lambda had, total: bar.update(task, completed=had, total=total)
