"""One writer at a time, across processes; a lock dies with its holder."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

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
    with path.with_name(f".{path.name}.lock").open("ab") as file:
        waiting = False
        while True:
            try:
                _lock(file)
                break
            except OSError as error:
                if error.errno in UNSUPPORTED:
                    break  # no locks here: the callers write whole files or verify a hash
                if error.errno not in HELD:
                    raise
            if not waiting:
                on_wait()
                waiting = True
            time.sleep(POLL_S)
        yield  # closing the file releases the lock
