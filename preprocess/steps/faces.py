"""Third step: the people in a clip, each one face through the whole of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from preprocess.rejection import NO_FACE, TOO_SHORT, RejectedError
from w2l.boxes import area, smooth_centred
from w2l.faces import FaceDetector
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import boxes_of, first, link

MAX_PEOPLE = 4  # of whom the one who speaks is looked for


@dataclass(frozen=True)
class Person:
    """One face through a clip.

    Attributes:
        boxes: (N, 4) float in pixels, NaN where the face is not seen.
        landmarks: (n, 5, 2) float32 in pixels, of the frames in which it was seen; None where the
            detector gives none.
    """

    boxes: np.ndarray
    landmarks: np.ndarray | None = None


def find_people(
    frames: Iterable[np.ndarray],
    detector: FaceDetector,
    *,
    every: int = 5,
    batch_size: int = 8,
    smooth: bool = True,
    published: bool = False,
) -> list[Person]:
    """Each person's face in each frame, the main person first.

    That is the track with the largest sum of areas: a face that is near, and seen for long. One
    track and not the largest face of each frame, so that no clip jumps between people.

    Args:
        frames: (H, W, 3) uint8 BGR; read once, few are held.
        detector: finds faces.
        every: frames from one detection to the next.
        batch_size: frames per call of the detector.
        smooth: steady the boxes over five frames, as inference does.
        published: take each frame's first face, whosever it is, as the published preparation does.

    Returns:
        At most `MAX_PEOPLE`; one who is never seen where there is nobody.
    """
    faces = all_faces(detect_video(frames, detector, every, batch_size))
    if published:
        return [Person(first(faces))]
    tracks = sorted(link(faces), key=lambda track: -float(area(track.boxes).sum()))
    if not tracks:
        return [Person(np.full((len(faces), 4), np.nan, dtype=np.float32))]
    people = []
    for track in tracks[:MAX_PEOPLE]:
        boxes = boxes_of(track, len(faces))
        people.append(Person(smooth_centred(boxes) if smooth else boxes, track.landmarks))
    return people


def check_faces(path: Path, present: np.ndarray, min_frames: int) -> None:
    """Is there enough of the face to train on?

    Args:
        path: of the video, for the message.
        present: (N,) bool, frames with the face.
        min_frames: how many there must be in a row.

    Raises:
        RejectedError: no face at all, or never for long enough.
    """
    if not present.any():
        raise RejectedError("faces", NO_FACE, f"{path} shows no face in its {len(present)} frames.")
    start, stop = longest_run(present)
    longest = stop - start
    if longest < min_frames:
        raise RejectedError(
            "faces",
            TOO_SHORT,
            f"{path} shows a face for {longest} of {len(present)} frames in a row; "
            f"min_frames={min_frames} are needed.",
        )


def longest_run(present: np.ndarray) -> tuple[int, int]:
    """First frame of the longest unbroken stretch, and the frame after its last."""
    best, start = (0, 0), 0
    for there, run in groupby(present.tolist()):
        length = len(list(run))
        if there and length > best[1] - best[0]:
            best = (start, start + length)
        start += length
    return best
