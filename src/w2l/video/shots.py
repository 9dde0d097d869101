"""Where the scene changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from w2l.video.reader import VideoReader
from w2l.windows import FPS

THRESHOLD = 27.0  # PySceneDetect's own and the published evaluation's
WIDTH = 256  # pixels at which scenes are told apart
MIN_SCENE = 15  # frames; two cuts in less are a flash


def scene_starts(
    frames: Iterable[np.ndarray], threshold: float = THRESHOLD
) -> tuple[list[int], int]:
    """First frame of each scene, and the number of frames.

    Args:
        frames: (H, W, 3) uint8 BGR at 25 frames/s.
        threshold: of PySceneDetect's ContentDetector.
    """
    from scenedetect import ContentDetector, FrameTimecode  # 0.1 s, for those who look for cuts

    detector = ContentDetector(threshold, min_scene_len=MIN_SCENE)
    starts, count, last = [0], 0, FrameTimecode(0, float(FPS))
    for count, frame in enumerate(frames, 1):
        last = FrameTimecode(count - 1, float(FPS))
        starts += [cut.frame_num for cut in detector.process_frame(last, frame)]
    starts += [cut.frame_num for cut in detector.post_process(last)]
    return starts, count


def shots_of(path: str | Path, width: int) -> list[tuple[int, int]]:
    """First frame of each shot and the frame after its last, at 25 frames/s.

    Args:
        path: a video.
        width: of its images.
    """
    return shots_in(small(path, width))


def shots_in(frames: Iterable[np.ndarray]) -> list[tuple[int, int]]:
    """The same of images as they come: (H, W, 3) uint8 BGR."""
    starts, count = scene_starts(_no_wider(frame, WIDTH) for frame in frames)
    return list(pairwise([*starts, count]))


def small(path: str | Path, width: int) -> VideoReader:
    """The video at 25 frames/s, no wider than `WIDTH`.

    Args:
        path: the video.
        width: its own.
    """
    return VideoReader(path, FPS, scale=Fraction(min(WIDTH, width), width))


class CutWatch:
    """Finds the cuts of a video while its images pass by, so that nothing is decoded twice.

    Every change of image counts, however short the shot: unlike `scene_starts`, which drops
    flashes, because a face must not be carried over to images that show something else. What is
    said of an image depends on it and those before it alone.

    Args:
        fps: rate of the images.
        threshold: of PySceneDetect's ContentDetector.

    Attributes:
        starts: first frame of each shot so far, the first of them 0.
    """

    def __init__(self, fps: Fraction, threshold: float = THRESHOLD) -> None:
        self.starts = [0]
        from scenedetect import ContentDetector, FrameTimecode

        self._time = partial(FrameTimecode, fps=float(fps))
        self._detector = ContentDetector(threshold, min_scene_len=0)

    def watch(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass on `frames`, (H, W, 3) uint8 BGR; a cut is in `starts` before its frame comes."""
        for number, frame in enumerate(frames):
            cuts = self._detector.process_frame(self._time(number), _no_wider(frame, WIDTH))
            self.starts += [cut.frame_num for cut in cuts]
            yield frame


def _no_wider(frame: np.ndarray, width: int) -> np.ndarray:
    if frame.shape[1] <= width:
        return frame
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
