"""One writer at a time, across processes; a lock dies with its holder."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from w2l.errors import UserError

POLL_S = 0.2
HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # some network file systems

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def only_writer(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold `path`'s lock file, waiting for whoever holds it.

    The system frees the lock when its holder ends, however it ends, so a lock file that was
    left behind holds nobody up. It is never removed: that would race with a third process.

    Args:
        path: the file about to be written.
        on_wait: called once if the lock is held by another.
    """
    with _lock_file(path) as file:
        if not _taken(file):
            on_wait()
            while not _taken(file):
                time.sleep(POLL_S)
        yield  # closing the file releases the lock


@contextmanager
def only_process(path: Path, refusal: str) -> Iterator[None]:
    """Hold `path`'s lock file, or refuse at once. The lock file goes with its holder.

    Processes that are forked meanwhile do not hold it: one that outlives its parent, as a loading
    process may for seconds, holds nobody up.

    Args:
        path: the file or folder about to be written.
        refusal: the sentence for whoever comes second.

    Raises:
        UserError: it is held by another.
    """
    while True:
        with _lock_file(path) as file:
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=file.close)
            if not _taken(file):
                raise UserError(refusal)
            if not _is_there(file):  # its holder removed it after it was opened here
                continue
            try:
                yield
            finally:
                with suppress(OSError):  # Windows removes no open file
                    os.unlink(file.name)
            return


def _lock_file(path: Path) -> IO[bytes]:
    return path.with_name(f".{path.name}.lock").open("ab")


def _is_there(file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except FileNotFoundError:
        return False


def _taken(file: IO[bytes]) -> bool:
    """Take the lock; False where another holds it."""
    try:
        _lock(file)
    except OSError as error:
        if error.errno in HELD:
            return False
        # Without locks: the callers write whole files or verify a hash.
        if error.errno not in UNSUPPORTED:
            raise
    return True
