"""Pass 1: every face and every cut of a video, in one decoding; only numbers are kept."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from w2l.components import FaceDetector, Faces, FacesByIndex
from w2l.faces.search import Detections, collect, detect_video
from w2l.video.shots import CutWatch


def detect(
    frames: Iterable[np.ndarray],
    detector: FaceDetector | FacesByIndex,
    fps: Fraction,
    *,
    every: int = 5,
    whole: int = 1,
    shots: bool = True,
    stop_at_none: bool = False,
) -> Detections:
    """Look for faces and cuts.

    Args:
        frames: (H, W, 3) uint8 BGR in order, read once.
        detector: finds faces.
        fps: rate of the frames.
        every: frames from one detection to the next; 1 looks into each.
        whole: detections from one in a whole frame to the next.
        shots: look for cuts; otherwise all is one shot.
        stop_at_none: end the search at the first frame without a face, which is the last result.
    """
    faces, starts = detecting(frames, detector, fps, every=every, whole=whole, shots=shots)
    return collect(_up_to_none(faces) if stop_at_none else faces, starts)


def detecting(
    frames: Iterable[np.ndarray],
    detector: FaceDetector | FacesByIndex,
    fps: Fraction,
    *,
    every: int = 5,
    whole: int = 1,
    shots: bool = True,
) -> tuple[Iterator[Faces], list[int]]:
    """The faces of each frame, as they are asked for, and first frames of shots so far.

    A frame's shot is there before its faces. Arguments as for `detect`.
    """
    if not shots:
        return detect_video(frames, detector, every, whole=whole), [0]
    cuts = CutWatch(fps)
    watched = cuts.watch(frames)
    return detect_video(watched, detector, every, shots=cuts.starts, whole=whole), cuts.starts


def key_frames(n_frames: int, every: int) -> int:
    """How many frames to look into for the first `n_frames`: up to one that is searched whole.

    So a search of more frames finds the same in them.
    """
    return min(sys.maxsize, -(-(n_frames - 1) // every) * every + 1)


def _up_to_none(faces: Iterable[Faces]) -> Iterator[Faces]:
    for found in faces:
        yield found
        if not len(found.boxes):
            return
