"""The files of the page: what was sent and made, kept as long as a job needs it, and no longer."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

_EVERY_S = 60.0  # between two looks, at most
# An absolute path, but not that of an address.
_PATH = re.compile(
    r"(?<![\w:/.~])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\:,;()'\"]+[/\\])*([^\s/\\:,;()'\"]+)"
)


class PageFiles:
    """The folder of a page that runs: `sent` holds what came, `made` what its jobs wrote.

    Args:
        folder: nobody else's.
        keep_s: seconds for which a file is kept after it was last needed.
        needed: gives the files that jobs need which wait or run.
    """

    def __init__(
        self, folder: Path, keep_s: float, needed: Callable[[], Collection[str]] = frozenset
    ) -> None:
        self.sent, self.made = folder / "sent", folder / "made"
        self.needed = needed
        self._keep_s = keep_s
        self._ended = threading.Event()
        for each in (self.sent, self.made):
            each.mkdir(parents=True, exist_ok=True)

    def clean(self, now: float | None = None) -> None:
        """Remove what is old enough; what a job needs is as new as ever."""
        now = time.time() if now is None else now
        touch(self.needed())
        for folder in (self.sent, self.made):
            for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before it
                try:
                    if now - path.lstat().st_mtime < self._keep_s:
                        continue
                    if path.is_dir():
                        path.rmdir()  # only where it is empty
                    else:
                        path.unlink()
                except OSError:  # not empty, or gone meanwhile
                    continue

    def start(self) -> None:
        """Look after the files until `stop`."""
        threading.Thread(target=self._look, daemon=True).start()

    def stop(self) -> None:
        """Look no longer."""
        self._ended.set()

    def _look(self) -> None:
        while not self._ended.wait(min(_EVERY_S, self._keep_s)):
            self.clean()


def touch(paths: Iterable[str | Path]) -> None:
    """Let files count as new."""
    for path in paths:
        try:
            os.utime(path)
        except OSError:  # gone meanwhile
            continue


def remove(folder: Path) -> None:
    """Remove a job's folder, as far as that goes."""
    shutil.rmtree(folder, ignore_errors=True)


def without_paths(text: str, *files: str | Path) -> str:
    """A sentence for people elsewhere: of each path in it only the name is left.

    Args:
        text: what is to be shown.
        files: whose paths may have blanks.

    >>> without_paths("/srv/page/sent/a.mp4 is empty: see https://example.org/a/b.")
    'a.mp4 is empty: see https://example.org/a/b.'
    """
    for file in files:
        text = text.replace(str(file), Path(file).name)
    return _PATH.sub(r"\1", text)


# Which keys of infer.py the page has: key → the field's name.
FIELDS = {
    "face": "Video or photo of the face", "audio": "What is to be said: any file with sound",
    "quality": "Quality", "person": "Whom, of several people",
    "missing_face": "Frames without a face", "label": "Label on every image",
    "silence": "Pauses in the speech", "view": "What the video shows",
    "box": "Box of the face: top, bottom, left, right",
}  # fmt: skip
CHOICES = {
    "quality": ("improved", "fast", "enhanced"),
    "person": ("largest", "center", "left", "right", "first"),
    "missing_face": ("pass", "hold", "error"),
    "silence": ("sync", "close", "pass"),
    "view": ("result", "side_by_side", "mask"),
}


def in_words(text: str, keys: Iterable[str]) -> str:
    """A message of the commands in the page's words: advice that names other keys is left out.

    Args:
        text: the message.
        keys: of all commands.

    >>> in_words("No face at 1 s: use missing_face=pass.", ["missing_face"])
    'No face at 1 s: use “Frames without a face”: pass.'
    >>> in_words("No face is over 50 px: lower min_face_size.", ["min_face_size"])
    'No face is over 50 px.'
    """
    others = sorted({*keys} - {*FIELDS})
    bare = "|".join(key for key in others if "_" in key)  # what cannot be another word
    values = "|".join(rf"{key}=(?!(?:{'|'.join(given)})\b)" for key, given in CHOICES.items())
    foreign = re.compile(rf"\b(?:(?:{'|'.join(others)})=|(?:{bare})\b|{values})")
    return "\n".join(_line_in_words(line, foreign) for line in text.split("\n"))


def _line_in_words(line: str, foreign: re.Pattern[str]) -> str:
    kept = []
    for sentence in re.split(r"(?<=[.?!]) ", line):
        if match := foreign.search(sentence):
            cut = max(sentence.rfind(mark, 0, match.start()) for mark in (": ", "; ", " ("))
            sentence = f"{sentence[:cut]}." if cut > 0 else ""
        kept.append(sentence)
    line = " ".join(filter(None, kept)) or line
    return re.sub(
        rf"\b({'|'.join(FIELDS)})=", lambda m: f"“{FIELDS[m[1]].partition(':')[0]}”: ", line
    )
