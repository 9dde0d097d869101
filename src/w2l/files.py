"""Files that appear whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count, islice
from pathlib import Path

from w2l.errors import UserError
from w2l.paths import shown_path, user_path

LONGEST_NAME = 255  # bytes, on the file systems in use
FULL = {errno.ENOSPC, errno.EDQUOT}
ABANDONED_S = 7 * 86_400  # seconds: nobody writes so long at something without changing it

# Whose a temporary file or folder is: the machine, the process, and which one of its.
_HOST = hashlib.sha256(platform.node().encode("utf-8", "surrogateescape")).hexdigest()[:6]
_TOKEN = r"w2l-([0-9a-f]{6})-([0-9a-f]+)-[0-9a-f]{8}"
_mine: set[str] = set()  # names of those that this process is at work on
_looked_through: set[Path] = set()  # folders that were rid of dead processes' ones


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
    token = f".{_token()}"
    fits = len(os.fsencode(f"{token}.{path.name}")) <= LONGEST_NAME
    temporary = path.with_name(f"{token}.{path.name}" if fits else f"{token}{path.suffix[:16]}")
    _mine.add(temporary.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path.parent.absolute(), rf"\.{_TOKEN}(\..+)?")
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield temporary
        if path.is_dir() and temporary.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except Exception as error:
        if is_full_disk(error):
            raise UserError(
                f"No space is left for {path}: free some and run again; nothing was lost."
            ) from error
        if isinstance(error, OSError) and error.errno in {
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
        _remove(temporary)  # if it is there
        _mine.discard(temporary.name)


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that no space is left; also in the words of those who write for us.

    torch says "unexpected pos" in place of what the file said to it, safetensors has it as text.
    """
    said = error if isinstance(error, OSError) else error.__context__
    if isinstance(said, OSError) and not isinstance(error, UserError):
        return said.errno in FULL
    return any(f"(os error {number})" in str(error) for number in FULL)


@contextmanager
def own_folder(kind: str) -> Iterator[Path]:
    """A folder among the system's temporary ones, which goes when the block ends.

    Where a process is killed, a later one that asks for a folder of this kind removes it.
    """
    _remove_abandoned(Path(tempfile.gettempdir()), f"{kind}-{_TOKEN}", again=True)
    folder = Path(tempfile.gettempdir(), f"{kind}-{_token()}")
    _mine.add(folder.name)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _remove(folder)
        _mine.discard(folder.name)


def _token() -> str:
    return f"w2l-{_HOST}-{os.getpid():x}-{secrets.token_hex(4)}"


def _remove_abandoned(folder: Path, pattern: str, *, again: bool = False) -> None:
    """Remove what processes that are dead left in a folder, once for each folder."""
    if folder in _looked_through and not again:
        return
    _looked_through.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = re.fullmatch(pattern, entry.name)
            if match and _is_abandoned(entry, host=match[1], process=int(match[2], 16)):
                _remove(Path(entry.path))


def _is_abandoned(entry: os.DirEntry[str], host: str, process: int) -> bool:
    if entry.name in _mine:
        return False
    if host == _HOST and not _is_alive(process):
        return True
    age_s = time.time() - entry.stat(follow_symlinks=False).st_mtime
    return age_s > ABANDONED_S  # of another machine, or its number went to another process


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # one that had this number before, as in a container: see `_mine`
    if os.name == "nt":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # not there, or its folder is none: the first error tells
            path.unlink()


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
        match = re.fullmatch(rf"\.{_TOKEN}\.(.+)", path.name)
        if match and match[3] in names:
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


def unused(folder: Path, stem: str, ending: str = "", *, nth: int = 0) -> Path:
    """`<stem><ending>` in `folder`, or `<stem>_2<ending>`, …: the first that nothing is at.

    Or the `nth` after it.
    """
    names = chain([stem], (f"{stem}_{number}" for number in count(2)))
    free = (path for name in names if not os.path.lexists(path := folder / f"{name}{ending}"))
    return next(islice(free, nth, None))


@contextmanager
def new_folder(folder: Path, stem: str) -> Iterator[Path]:
    """Make a folder of the first unused name, which no other process has; gone if left empty.

    Raises:
        UserError: nothing can be written there.
    """
    while True:
        path = unused(folder, stem)
        check_writable(path, folder=True)
        try:
            path.mkdir(parents=True)
        except FileExistsError:  # another process was quicker
            continue
        break
    try:
        yield path
    finally:
        with suppress(OSError):
            path.rmdir()


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, read in chunks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(path: str | Path) -> dict[str, str]:
    """A file as records of results name it: its path and its SHA-256."""
    return {"file": shown_path(path), "sha256": sha256(path)}


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
