"""Files that appear whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from w2l.errors import UserError
from w2l.paths import user_path

LONGEST_NAME = 255  # bytes, on the file systems in use


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it onto `path` if the block succeeds.

    What is written may be a file or a folder; parents are created. On any error the temporary
    one is removed and an earlier `path` stays as it was.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    # Hidden, and with the same ending, because encoders choose the container by it.
    token = f".{secrets.token_hex(4)}"
    fits = len(os.fsencode(f"{token}.{path.name}")) <= LONGEST_NAME
    temporary = path.with_name(f"{token}.{path.name}" if fits else f"{token}{path.suffix[:16]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield temporary
        if path.is_dir() and temporary.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise UserError(
                f"No space is left for {path}: free some and run again; nothing was lost."
            ) from error
        if error.errno in {
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EISDIR,
            errno.EEXIST,
            errno.ENAMETOOLONG,
        }:
            raise UserError(
                f"Cannot write {path} ({error.strerror}): choose another output path."
            ) from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):  # not there, or its folder is none: the first error tells
                temporary.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write text in UTF-8, whole or not at all.

    What of a file's name is no UTF-8 is written as an escape, `\\udce9`, which JSON reads back.

    Raises:
        UserError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def left_behind(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """What `atomic_path` was writing in `folder` under one of `names` when its process was killed.

    Of names that nearly fill what a file system allows nothing can be told.
    """
    for path in folder.glob(".*") if folder.is_dir() else ():
        match = re.fullmatch(r"\.[0-9a-f]{8}\.(.+)", path.name)
        if match and match[1] in names:
            yield path


def check_writable(path: str | Path, *, folder: bool = False) -> None:
    """Try to write beside `path`, or where its folder would be made, and leave nothing.

    For before anything long begins.

    Args:
        path: what is to be written.
        folder: it is a folder, which is written as a whole.

    Raises:
        UserError: it cannot be written, or it is a folder where a file is meant.
    """
    path = Path(path)
    try:
        nearest = next(parent for parent in path.absolute().parents if parent.exists())
        with suppress(FileNotFoundError):
            os.lstat(nearest / path.name)  # a name that is too long is told here
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(
            f"Cannot write {path} ({error.strerror}): choose another output path."
        ) from error
    if path.is_dir() and not folder:
        raise UserError(f"{path} is a folder: name a file in it.")


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, read in chunks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(path: str | Path) -> dict[str, str]:
    """A file as records of results name it: its path and its SHA-256."""
    return {"file": str(path), "sha256": sha256(path)}


def user_cache(name: str, variable: str) -> Path:
    """Where this user keeps what can be had again.

    Args:
        name: of the folder, under `w2l` in `XDG_CACHE_HOME` or `~/.cache`.
        variable: of the environment; the folder that it names comes first.
    """
    if folder := os.environ.get(variable):
        return user_path(folder)
    # The XDG rules say to ignore a relative path there.
    base = user_path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "w2l" / name
