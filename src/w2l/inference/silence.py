"""What happens to the lips where nobody is heard: pure arithmetic, no media."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

Silence = Literal["sync", "close", "pass"]

FADE_S = 0.16  # over which lips are handed over, outside the speech: 4 frames of 25 a second
NO_VOICE = "no voice"
AFTER_SOUND = "after the end of the sound"


@dataclass(frozen=True)
class Activity:
    """How much each of n output frames has to do with the sound.

    Attributes:
        strength: float32 (n,) in [0, 1]: share of the generated mouth in the image.
        loudness: float32 (n,) in [0, 1]: share of the sound that the generator hears, the rest
            being silence.
        reasons: frame → why its strength is 0.
    """

    strength: np.ndarray
    loudness: np.ndarray
    reasons: dict[int, str]

    @classmethod
    def whole(cls, n_frames: int) -> Activity:
        """Every frame is synced."""
        ones = np.ones(n_frames, np.float32)
        return cls(ones, ones, {})

    def is_closed(self, frame: int) -> bool:
        """Whether a frame's mouth is generated for silence."""
        return self.loudness[frame] == 0 and self.strength[frame] > 0


def find_activity(
    n_frames: int,
    fps: Fraction,
    heard_s: Fraction,
    speech: np.ndarray | None = None,
    silence: Silence = "sync",
) -> Activity:
    """Which frames are synced, and which are left alone or get a closed mouth.

    Args:
        n_frames, fps: of the output.
        heard_s: seconds of sound; frames that begin after them are left alone.
        speech: where a voice is active, (k, 2) seconds; not needed where `silence` is "sync".
        silence: for the sound without a voice: "sync" takes it like any other, "close" lets the
            generator hear silence there, "pass" leaves the source's mouth.
    """
    times = np.arange(n_frames) / float(fps)
    strength = near(times, np.array([[0, float(heard_s)]]))
    loudness = np.ones(n_frames, np.float32)
    if silence != "sync":
        assert speech is not None
        voiced = near(times, speech)
        if silence == "pass":
            strength = voiced  # never more than in all of the sound, of which it is a part
        else:
            loudness = voiced
    left = [int(i) for i in np.flatnonzero(strength == 0)]
    reasons = {i: NO_VOICE if i / fps < heard_s else AFTER_SOUND for i in left}
    return Activity(strength, loudness, reasons)


def near(times: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """1 inside the spans, falling to 0 over `FADE_S` outside of them.

    Args:
        times: seconds (n,).
        spans: seconds (k, 2), in order, apart from each other.

    Returns:
        float32 (n,) in [0, 1].
    """
    if not len(spans):
        return np.zeros(len(times), np.float32)
    # The last span that begins before each time, and the first one that begins after it.
    before = np.searchsorted(spans[:, 0], times, side="right") - 1
    since = np.where(before >= 0, times - spans[np.maximum(before, 0), 1], np.inf)
    after = np.minimum(before + 1, len(spans) - 1)
    until = np.where(before + 1 < len(spans), spans[after, 0] - times, np.inf)
    distance = np.maximum(np.minimum(since, until), 0)
    return np.clip(1 - distance / FADE_S, 0, 1).astype(np.float32)
