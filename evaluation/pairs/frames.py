"""The frames that a pair is given: so many, some of them several times, and not too large."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from w2l.inference import Geometry, VideoSource

MAX_SIDE = 720  # px, shorter side of a real video as the release takes it


class ChosenFrames(VideoSource):
    """A video of which chosen frames are shown, made small as the release does.

    Args:
        path: the video.
        constant_rate: as `VideoSource`.
        fps: rate to be claimed; None: the file's own.
        max_side: pixels that the shorter side may have at most; None: any.
    """

    _shown: Sequence[int] | None = None
    _max_side: int | None = None

    def __init__(
        self,
        path: Path,
        *,
        constant_rate: bool,
        fps: Fraction | None = None,
        max_side: int | None = None,
    ) -> None:
        self._max_side = max_side
        super().__init__(path, Geometry(), constant_rate=constant_rate)
        self.fps = fps or self.fps

    def count(self, at_most: int) -> int:
        """How many frames the video has, by decoding them; no more than `at_most` are."""
        return sum(1 for _ in super().read(0, at_most))

    def show(self, numbers: Sequence[int]) -> None:
        """From now on frame i is the video's frame `numbers[i]`; they rise, and may repeat."""
        self._shown = numbers
        self.n_frames_estimate = len(numbers)

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Frames start … stop - 1, as many of them as there are."""
        if self._shown is None:
            yield from map(self._fitted, super().read(start, stop))
            return
        times = Counter(self._shown[start:stop])
        if times:
            first, last = min(times), max(times)
            for number, frame in enumerate(super().read(first, last + 1), first):
                frame = self._fitted(frame) if times[number] else frame
                # Each its own, because they are painted on.
                yield from (frame.copy() for _ in range(times[number]))

    def _fitted(self, frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[:2]
        if self._max_side is None or min(height, width) <= self._max_side:
            return frame
        scale = min(height, width) / float(self._max_side)
        return cv2.resize(frame, (int(width / scale), int(height / scale)))


def published_duplicates(n_frames: int, wanted: int) -> list[int]:
    """Frames of a video that is too short for its sound, duplicated as the release does it.

    Round by round, about every (wanted / present)-th frame is doubled until there are enough, and
    what is too many is cut off the end. So the end of the video may not be shown, and frames are
    not doubled as evenly as the paper's word has it.

    Args:
        n_frames: that there are, 1 or more.
        wanted: that there are to be.
    """
    frames = list(range(n_frames))
    while len(frames) < wanted:
        every, due, longer = wanted / len(frames), 0.0, list[int]()
        for place, frame in enumerate(frames):
            longer += [frame] * (2 if math.ceil(due) == place else 1)
            due += every
        frames = longer
    return frames[:wanted]


def even_duplicates(n_frames: int, wanted: int) -> list[int]:
    """The same, evenly to the frame and with the whole video."""
    return (
        [i * n_frames // wanted for i in range(wanted)]
        if n_frames < wanted
        else list(range(wanted))
    )
