"""Which image and which sound belong to output frame i: pure arithmetic, no media.

Times are exact fractions, so that 30000/1001 fps does not drift over hours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np

from w2l.audio.mel import SILENCE
from w2l.inference.silence import Activity
from w2l.windows import FPS, MEL_COLUMNS, MEL_FPS, mel_start

Extend = Literal["pingpong", "loop", "freeze"]
Duration = Literal["audio", "video", "shortest"]


def frame_count(n_samples: int, sample_rate: int, fps: Fraction) -> int:
    """Frames that cover the sound to its last sample: ceil(seconds · fps)."""
    return math.ceil(Fraction(n_samples, sample_rate) * fps)


class Run(NamedTuple):
    """Source frames start, start + step, … before stop; step 0 shows frame start `length` times."""

    start: int
    step: int
    length: int


def runs(n_frames: int, n_source: int, extend: Extend) -> Iterator[Run]:
    """The source frames of `n_frames` output frames, as few runs forward, back or still.

    A video shorter than the sound goes on by `extend`: "pingpong" plays it backwards and forwards
    in turn without showing an end twice, "loop" starts it again (as published), "freeze" holds
    its last frame. The first run is always the video from its start, as far as it is needed.

    Example:
        >>> [list(indices(run)) for run in runs(7, 3, "pingpong")]
        [[0, 1, 2], [1, 0], [1, 2]]
    """
    if n_source < 1:
        raise ValueError("runs needs at least one source frame")
    left = n_frames
    here = -1  # the source frame shown last
    step = 1
    while left > 0:
        if here == n_source - 1 and (n_source == 1 or extend == "freeze"):
            run = Run(here, 0, left)
        elif step == 1:
            start = here + 1 if here < n_source - 1 else 0
            run = Run(start, 1, min(left, n_source - start))
        else:
            run = Run(here - 1, -1, min(left, here))
        yield run
        left -= run.length
        here = run.start + run.step * (run.length - 1)
        if extend == "pingpong":
            step = -step


def indices(run: Run) -> Iterator[int]:
    """The source frames of one run, in the order they are shown."""
    return (run.start + run.step * i for i in range(run.length))


class MelWindows:
    """The mel window of every output frame.

    Window i starts at mel column int(i · 80 / fps). By default there are as many as frames cover
    the sound, and columns beyond its end are silence, so that the end is synced too. As published
    the windows end where one more would not fit, plus one final window, always, of the last 16
    columns (so the last 0.1 s of the sound get no frame, and the end may be repeated).

    Args:
        mel: log-mel, float32 (80, M) in [-4, 4].
        fps: frames a second of the output.
        n_frames: number of windows; None for the published count.
        lead_frames: frames of 1/25 s by which a window starts earlier, as the generator was
            trained; the first ones start with the sound. Has no effect as published.

    Attributes:
        activity: how much each frame has to do with the sound; at first, all of it.
    """

    def __init__(
        self, mel: np.ndarray, fps: Fraction, n_frames: int | None = None, lead_frames: int = 0
    ) -> None:
        if n_frames is None:
            self.starts = published_starts(mel.shape[1], float(fps))
        else:
            self.starts = [window_start(i, fps, lead_frames) for i in range(n_frames)]
        missing = max(self.starts) + MEL_COLUMNS - mel.shape[1]
        if missing > 0:
            mel = np.pad(mel, ((0, 0), (0, missing)), constant_values=SILENCE)
        self.mel = mel
        self.activity = Activity.whole(len(self.starts))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, frame: int) -> np.ndarray:
        """The window of output frame `frame`: float32 (80, 16), a view where it is loud."""
        start = self.starts[frame]
        window = self.mel[:, start : start + MEL_COLUMNS]
        return as_loud(window, self.activity.loudness[frame])


def window_start(frame: int, fps: Fraction, lead_frames: int) -> int:
    """First mel column of an output frame's window; arguments as for `MelWindows`."""
    lead = lead_frames * fps / FPS  # in frames of the video
    return mel_start(max(Fraction(0), frame - lead), fps)


def as_loud(window: np.ndarray, loudness: np.float32) -> np.ndarray:
    """A mel window, faded to silence: all of it at loudness 1, none at 0."""
    return window if loudness == 1 else SILENCE + loudness * (window - SILENCE)


def published_starts(n_columns: int, fps: float) -> list[int]:
    """Window starts of the published script, with its float arithmetic.

    Args:
        n_columns: mel columns of the whole sound.
        fps: frames a second, as OpenCV reports them.
    """
    columns_per_frame = MEL_FPS / fps
    starts: list[int] = []
    while (start := int(len(starts) * columns_per_frame)) + MEL_COLUMNS <= n_columns:
        starts.append(start)
    return [*starts, max(0, n_columns - MEL_COLUMNS)]
