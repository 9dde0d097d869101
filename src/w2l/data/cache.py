"""Shards of a set in object storage, kept on this machine while they are in use."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path

import fsspec

from w2l.data.clips import UNREACHABLE, BadClipError
from w2l.data.shards import ShardEntry
from w2l.errors import UserError
from w2l.files import atomic_path, sha256
from w2l.lock import only_writer
from w2l.paths import user_path

TRIES = 3
PAUSE_S = 1.0  # before the second try; twice as long before each further one


def default_cache() -> Path:
    """`w2l/shards` under `XDG_CACHE_HOME` or `~/.cache`."""
    base = user_path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "w2l" / "shards"


def is_url(root: str | Path) -> bool:
    """Whether a set lies where fsspec has to fetch it from."""
    return "://" in str(root)


def read_remote(url: str) -> bytes | None:
    """A small file of an address; None where there is none.

    Raises:
        UserError: the address cannot be read.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        return filesystem.cat_file(path)
    except FileNotFoundError:
        return None
    except ImportError as error:
        raise UserError(f"{url} needs a package that is not installed: {error}.") from error
    except Exception as error:  # every storage has its own: no network, no rights, no such bucket
        raise UserError(
            f"{url} cannot be read ({_one_line(error)}): check the address and your access to it."
        ) from error


class ShardCache:
    """Fetches each shard once per machine, whole and verified; usable from many processes.

    Args:
        url: folder of the shards, as fsspec understands it.
        folder: where they go on this machine.
        limit: bytes that they may take there; those used longest ago give way. None: no limit.
    """

    def __init__(self, url: str, folder: Path, limit: int | None = None) -> None:
        self.url, self.folder, self.limit = url, folder, limit

    def __call__(self, entry: ShardEntry) -> Path:
        """Where the shard lies on this machine, after fetching it where it is not there.

        Raises:
            BadClipError: it cannot be fetched, or what came is not what the index lists.
            UserError: the cache folder cannot be written to.
        """
        # Named by content: another version of a set takes nothing from this one.
        target = self.folder / f"{entry.sha256}.arrow"
        if not _is_there(target, entry):
            self._make_folder()
            # One at a time where room has to be made, or two would count on the same room.
            lock = target if self.limit is None else self.folder / "shards"
            with only_writer(lock, lambda: None):
                if not _is_there(target, entry):  # else another process got it meanwhile
                    self._make_room(entry.bytes)
                    self._fetch(entry, target)
        with suppress(OSError):
            os.utime(target)  # used now: the last to give way
        return target

    def _fetch(self, entry: ShardEntry, target: Path) -> None:
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE_S * 2 ** (attempt - 1))
            with suppress(_WrongContentError), atomic_path(target) as temporary:
                problem = self._download(entry, temporary)
                if problem:
                    raise _WrongContentError
                return
        raise BadClipError(UNREACHABLE, f"{self.url}/{entry.file}: {problem}")

    def _download(self, entry: ShardEntry, target: Path) -> str | None:
        """Bring the shard to `target`; what went wrong in words, or None."""
        try:
            # Asked for anew in each process: connections do not survive a fork.
            filesystem, path = fsspec.core.url_to_fs(f"{self.url}/{entry.file}")
            filesystem.get_file(path, str(target))
        except Exception as error:  # every storage has its own
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise  # this machine's fault: no other shard will come through either
            return _one_line(error)
        size = target.stat().st_size
        if size != entry.bytes:
            return f"{size} bytes came in place of {entry.bytes}"
        return None if sha256(target) == entry.sha256 else "its SHA-256 is not the index's"

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"data.cache_dir={self.folder} cannot be written to ({error.strerror}): choose "
                "another folder."
            ) from error

    def _make_room(self, wanted: int) -> None:
        if self.limit is None:
            return
        shards = []
        for path in self.folder.glob("*.arrow"):
            with suppress(FileNotFoundError):
                status = path.stat()
                shards.append((status.st_mtime_ns, status.st_size, path))
        excess = sum(size for _, size, _ in shards) + wanted - self.limit
        for _, size, path in sorted(shards):
            if excess <= 0:
                break
            path.unlink(missing_ok=True)  # whoever has it mapped keeps it until he lets go
            excess -= size


class _WrongContentError(Exception):
    """What came is not the shard; try again."""


def _is_there(path: Path, entry: ShardEntry) -> bool:
    try:
        return path.stat().st_size == entry.bytes
    except FileNotFoundError:
        return False


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
