"""Why a clip is not in the set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from w2l.errors import UserError

NOT_A_VIDEO = "not called like a video"
NOT_DOWNLOADED = "not downloaded"
BROKEN = "broken file"
IMAGE = "a still image"
NO_SOUND = "no sound"
SILENT = "silent"
NO_FACE = "no face"
TOO_SHORT = "too short"
LOW_SYNC = "lips and sound do not fit"
SMALL = "too small"
BLURRED = "blurred"
LIGHT = "too dark or too bright"
TURNED = "turned away"
DUPLICATE = "duplicate"
CRASHED = "crashed a worker"
UNEXPECTED = "unexpected error"


class RejectedError(Exception):
    """The clip cannot be used.

    Args:
        step: which step says so: listing, duplicates, download, probe, sound, faces, sync, quality.
        reason: one of the few above, to count by.
        detail: one sentence about this file.

    Attributes:
        others: where others are seen in it; see `preprocess.others`.
    """

    def __init__(self, step: str, reason: str, detail: str) -> None:
        super().__init__(step, reason, detail)  # all of them, so that it can be pickled
        self.step, self.reason, self.detail = step, reason, detail
        self.others: list[tuple[int, int]] = []


@contextmanager
def telling_of(others: list[tuple[int, int]]) -> Iterator[None]:
    """Within, a rejection says where others are seen."""
    try:
        yield
    except RejectedError as rejection:
        rejection.others = others
        raise


@contextmanager
def rejecting(step: str, reason: str) -> Iterator[None]:
    """Within, a sentence about bad input is a reason to reject the clip."""
    try:
        yield
    except UserError as error:
        raise RejectedError(step, reason, str(error)) from error
