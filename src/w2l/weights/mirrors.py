"""A verified file from the first of several addresses that gives it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import shorten

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
from w2l.offline import require_network
from w2l.paths import told_path
from w2l.weights.catalog import megabytes
from w2l.weights.download import DownloadError, Report, download

LONGEST = 300  # characters of a sentence


class WrongFileError(Exception):
    """A file that is not the published one; the text says why in a clause."""


@dataclass(frozen=True)
class Wanted:
    """A published file and where it is to lie.

    Attributes:
        title: what messages call it.
        urls: addresses in the order they are tried.
        size: in bytes, or None where no source gives it.
        target: the file it becomes; beside it a `.part` file grows.
        verify: gives the SHA-256 of a file that is the published one, raises WrongFileError else.
        elsewhere: what to do where `target` cannot be used, in a clause.
    """

    title: str
    urls: tuple[str, ...]
    size: int | None
    target: Path
    verify: Callable[[Path], str]
    elsewhere: str

    @property
    def part(self) -> Path:
        """The unfinished file."""
        return self.target.with_name(f"{self.target.name}.part")


def download_any(
    wanted: Wanted, *, progress: bool, timeout_s: float, pause_s: float
) -> tuple[str, str]:
    """Bring the published bytes to the target from the first address that gives them.

    Args:
        wanted: the file.
        progress: whether to draw a progress bar.
        timeout_s: seconds of silence after which a connection counts as dropped.
        pause_s: seconds before a dropped connection is taken up again.

    Returns:
        The address that gave it, and its SHA-256.

    Raises:
        UserError: W2L_OFFLINE=1, or no address gives it; why, and the place to lay it by hand.
            Each one's reason is printed on the error stream, unless nothing can be reached.
        OSError: the disk is full or cannot be written.
    """
    require_network(wanted.title, f"lay it at {wanted.target}")
    failures: list[tuple[str, DownloadError]] = []
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    for url in wanted.urls:
        _check_space(wanted)
        try:
            with _bar(wanted, progress) as update:
                fetch_part = partial(
                    download,
                    url,
                    wanted.part,
                    wanted.size,
                    timeout_s=timeout_s,
                    pause_s=pause_s,
                    progress=update,
                )
                digest = _verified_part(fetch_part, wanted)
        except DownloadError as error:
            failures.append((url, error))
            if not error.unreachable:
                console.print(f"  {url}: {error}")
        else:
            wanted.part.replace(wanted.target)
            return url, digest
    unreachable = [(url, error) for url, error in failures if error.unreachable]
    if len(unreachable) < len(failures):  # else there is no network, and no address is to blame
        for url, reason in unreachable:
            console.print(f"  {url}: {reason}")
    raise UserError(_not_downloaded(wanted, failures))


def _not_downloaded(wanted: Wanted, failures: list[tuple[str, DownloadError]]) -> str:
    """One sentence that can be read; what each address said was told when it said it."""
    reasons = "; ".join(dict.fromkeys(str(error) for _, error in failures))
    offline = all(error.unreachable for _, error in failures)
    how = "cannot be downloaded without a network" if offline else "could not be downloaded"
    place = told_path(wanted.target)
    remedy = f"try again, or lay {wanted.urls[0]} at {place}"
    room = LONGEST - len(f"{wanted.title} {how} (): {remedy}.")
    return f"{wanted.title} {how} ({shorten(reasons, max(room, 24), placeholder=' …')}): {remedy}."


@contextlib.contextmanager
def using(target: Path, elsewhere: str) -> Iterator[None]:
    """Turn what the system says against the target's folder into a sentence.

    Raises:
        UserError: an OSError came up.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"Cannot use {target} ({error.strerror or error}): correct that, or {elsewhere}."
        ) from error


def _verified_part(fetch_part: Callable[[], None], wanted: Wanted) -> str:
    """Download and verify; once more from the start if a resumed file turns out wrong."""
    resumed = wanted.part.exists()
    fetch_part()
    try:
        return wanted.verify(wanted.part)
    except WrongFileError as error:
        wanted.part.unlink()
        if not resumed:
            raise DownloadError(str(error)) from error
    return _verified_part(fetch_part, wanted)


def _check_space(wanted: Wanted) -> None:
    part = wanted.part
    missing = (wanted.size or 0) - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise UserError(
            f"{part.parent} has {megabytes(free)} free and {wanted.title} needs "
            f"{megabytes(missing)}: free some, or {wanted.elsewhere}."
        )


@contextlib.contextmanager
def _bar(wanted: Wanted, shown: bool) -> Iterator[Report]:
    """Draw a progress bar once there are bytes; yields the function that moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), disable=not shown)
    task = bar.add_task(wanted.target.name, total=wanted.size)

    def update(had: int, total: int | None) -> None:
        bar.start()
        bar.update(task, completed=had, total=total)

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()
