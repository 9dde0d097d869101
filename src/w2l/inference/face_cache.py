"""What was found in a video, kept for the next run with the same video."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from w2l.errors import UserError
from w2l.faces.search import Detections, load, save
from w2l.files import atomic_path, sha256, user_cache

VERSION = 3  # of what is stored and how it is found: other numbers are never read
LARGEST_BYTES = 500 * 10**6  # of all entries; the longest unused go first


def cache_folder() -> Path:
    """`W2L_FACES_DIR`, else `w2l/faces` under `XDG_CACHE_HOME` or `~/.cache`."""
    return user_cache("faces", "W2L_FACES_DIR")


class FaceCache:
    """The detections of one video under one set of settings.

    Entries are named by content: the same film under another name is found, a changed one is not.
    An entry that cannot be read counts as none, and a folder that cannot be written keeps none.

    Args:
        video: the file; it is read whole, once, for its hash.
        settings: everything else on which detections depend, as plain values.
        folder: of all entries; by default `cache_folder()`.
        say: is told when an entry is used.
    """

    def __init__(
        self,
        video: Path,
        settings: Mapping[str, object],
        folder: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._video, self._settings, self._say = video, dict(settings), say
        self._folder = folder or cache_folder()

    @cached_property
    def path(self) -> Path:
        """The entry's file."""
        facts = {**self._settings, "video": sha256(self._video), "version": VERSION}
        text = json.dumps(facts, sort_keys=True, default=str)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npz"

    def load(self, n_frames: int) -> Detections | None:
        """What was found in the first `n_frames` frames, or in all; None where it is not known."""
        found = load(self.path)
        if found is None or not (found.whole or len(found.faces) >= n_frames):
            return None
        with suppress(OSError):
            now = time.time_ns()  # the file system's own clock may stand still for 4 ms
            os.utime(self.path, ns=(now, now))  # used last
        self._say(f"The faces of {self._video} are known from an earlier run ({self.path}).")
        return found.first(n_frames)

    def store(self, found: Detections) -> None:
        """Keep what was found; a cache that cannot be written costs the next run its time only."""
        with suppress(UserError, OSError):
            with atomic_path(self.path) as temporary:
                save(temporary, found)
            self._make_room()

    def _make_room(self) -> None:
        entries = [(e.stat().st_mtime_ns, e.stat().st_size, e) for e in self._folder.glob("*.npz")]
        total = sum(size for _, size, _ in entries)
        for _, size, entry in sorted(entries):
            if total <= LARGEST_BYTES:
                return
            entry.unlink(missing_ok=True)
            total -= size
