"""Where a video is cut: at the changes of scene, and where a scene is too long."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from math import ceil

import numpy as np
from scenedetect import ContentDetector, FrameTimecode

from w2l.video import VideoReader
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
    detector = ContentDetector(threshold, min_scene_len=MIN_SCENE)
    starts, count, last = [0], 0, FrameTimecode(0, float(FPS))
    for count, frame in enumerate(frames, 1):
        last = FrameTimecode(count - 1, float(FPS))
        starts += [cut.frame_num for cut in detector.process_frame(last, frame)]
    starts += [cut.frame_num for cut in detector.post_process(last)]
    return starts, count


def scenes_of(reader: VideoReader) -> list[tuple[float, float]]:
    """Beginning and end of each scene in seconds after the video's first picture.

    Args:
        reader: the video at 25 frames/s, small: see `small`.
    """
    starts, count = scene_starts(reader)
    return [(a / FPS, b / FPS) for a, b in zip(starts, [*starts[1:], count], strict=True)]


def small(path: str, width: int) -> VideoReader:
    """The video at 25 frames/s, no wider than `WIDTH`.

    Args:
        path: the video.
        width: its own.
    """
    return VideoReader(path, FPS, scale=Fraction(min(WIDTH, width), width))


def divide(scenes: Iterable[tuple[float, float]], max_seconds: float) -> list[tuple[float, float]]:
    """Scenes longer than `max_seconds` in as few equal parts as are not, at whole frames."""
    parts = []
    for start, end in scenes:
        first, last = round(start * FPS), round(end * FPS)
        n = max(1, ceil((last - first) / (max_seconds * FPS)))
        edges = [first + (last - first) * i // n for i in range(n + 1)]
        parts += [(a / FPS, b / FPS) for a, b in itertools.pairwise(edges)]
    return parts
