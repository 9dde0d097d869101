"""Files out of archives, as a source's videos are published in."""

from __future__ import annotations

import calendar
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from w2l.errors import UserError
from w2l.files import atomic_path

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        name: its path there.
        size: in bytes.
        mtime: when it was written, in seconds since 1970; zip files do not say in which zone.
        open: gives its bytes.
    """

    name: str
    size: int
    mtime: float
    open: Callable[[], IO[bytes] | None]


def unpack(
    archive: Path, folder: Path, wanted: Callable[[str], bool]
) -> tuple[list[str], list[str]]:
    """Write the files of an archive that are wanted below `folder`; those that are there stay.

    Each appears whole or not at all, with the time that the archive gives it: what is deleted and
    unpacked again is the same file. Hidden ones are left, and what would lie elsewhere.

    Args:
        archive: .zip or .tar.
        folder: made where missing.
        wanted: tells it of a path in the archive.

    Returns:
        Paths below `folder`, and those of damaged files, which are not there.

    Raises:
        UserError: the archive is cut off or none, or there is no room.
    """
    there, damaged = [], []
    with _opened(archive) as members:
        for member in members:
            parts = PurePosixPath(member.name).parts
            if any(part.startswith((".", "/", "__MACOSX")) for part in parts):
                continue
            if not wanted(member.name):
                continue
            path = folder.joinpath(*parts)
            if _is_there(path, member) or _write(path, member):
                there.append("/".join(parts))
            else:
                damaged.append(member.name)
    return there, damaged


def _is_there(path: Path, member: Member) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_size == member.size and int(status.st_mtime) == int(member.mtime)


def _write(path: Path, member: Member) -> bool:
    """Write a file; False where the archive's bytes are damaged."""
    try:
        with atomic_path(path) as temporary:
            with member.open() as content, temporary.open("wb") as file:  # type: ignore[union-attr]
                shutil.copyfileobj(content, file)
            os.utime(temporary, (member.mtime, member.mtime))
    except _DAMAGED:
        return False
    return True


@contextmanager
def _opened(archive: Path) -> Iterator[list[Member]]:
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                yield [
                    Member(info.filename, info.file_size, _time(info), partial(zipped.open, info))
                    for info in zipped.infolist()
                    if not info.is_dir()
                ]
        else:
            with tarfile.open(archive) as tar:
                yield [
                    Member(info.name, info.size, info.mtime, partial(tar.extractfile, info))
                    for info in tar
                    if info.isfile()
                ]
    except _DAMAGED as error:
        raise UserError(
            f"{archive} is cut off, damaged or no archive ({error}): fetch it anew."
        ) from error


def _time(info: zipfile.ZipInfo) -> float:
    year, month, day, *clock = info.date_time
    return calendar.timegm((year, max(month, 1), max(day, 1), *clock, 0, 0, 0))
