"""The frames that a pair is given: so many, some of them several times, and not too large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

import cv2
import numpy as np

from w2l.inference import Geometry, VideoSource
from w2l.windows import FPS

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
        """From now on frame i is the video's frame `numbers[i]`; they rise, and may repeat.

        They are shown once: where a sync would begin the video again, there is nothing. So it ends
        with these frames, without the final window that the release's inference script adds and
        its benchmark scripts do not.
        """
        self._shown = numbers
        self.n_frames_estimate = len(numbers)

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Frames start … stop - 1, as many of them as there are."""
        if self._shown is None:
            yield from map(self._fitted, super().read(start, stop))
            return
        is_again = stop < len(self._shown)  # both passes ask for all, and one more
        times = Counter() if is_again else Counter(self._shown[start:stop])
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


@dataclass(frozen=True)
class AtFps:
    """Frames of another rate at 25 a second, as `VideoReader` resamples a constant rate.

    Attributes:
        read: begins anew with each call.
        fps: of what it gives.
    """

    read: Callable[[], Iterator[np.ndarray]]
    fps: Fraction

    def __iter__(self) -> Iterator[np.ndarray]:
        """Each frame as often as it is the one nearest to a 25th of a second."""
        tick, number, frame = 0, -1, None
        for number, frame in enumerate(self.read()):
            while ceil(tick * self.fps / FPS - Fraction(1, 2)) == number:
                yield frame
                tick += 1
        # The last one has no other after it that could be nearer before its own step is over.
        while frame is not None and tick * self.fps / FPS < number + 1:
            yield frame
            tick += 1


def even_duplicates(n_frames: int, wanted: int) -> list[int]:
    """Which frame is shown when, of a video that is too short for its sound.

    The paper has frames duplicated evenly. The release's script means to, but its condition holds
    for frame 0 alone, so that it shows the first frame until the others suffice; nobody would want
    that of a benchmark, and it is not done here.

    Args:
        n_frames: that there are, 1 or more.
        wanted: that there are to be, no fewer.

    Example:
        >>> even_duplicates(4, 6)
        [0, 0, 1, 2, 2, 3]
    """
    return [i * n_frames // wanted for i in range(wanted)]
