"""Why a pair has no score: a few reasons that are counted, each with a sentence."""

from __future__ import annotations

MISSING = "file missing"
UNREADABLE_SOUND = "sound unreadable"
UNREADABLE_VIDEO = "video unreadable"
NAN = "sound is not numbers"  # the release: NaN in the mel spectrogram
SHORT_SOUND = "sound too short"
SHORT_VIDEO = "video shorter than sound"
NO_FACE = "no face"
BOX_OUTSIDE = "box outside the image"
NOT_SCORED = "cannot be scored"
CRASHED = "worker died"
UNEXPECTED = "unexpected error"


class PairError(Exception):
    """A pair that cannot be made or scored.

    Attributes:
        reason: one of the above.
        detail: a sentence.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)  # both, so that it can be pickled
        self.reason = reason
        self.detail = detail
