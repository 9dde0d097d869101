"""Third step: the people in a clip, each one face through the whole of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preprocess.rejection import NO_FACE, TOO_SHORT, RejectedError
from w2l.boxes import area, runs, smooth_centred
from w2l.components import FaceDetector
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import boxes_of, first, link

MAX_PEOPLE = 16  # whom a clip's record names


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
    whole: int = 5,
    batch_size: int = 8,
    smooth: bool = True,
    published: bool = False,
    min_frames: int = 1,
) -> list[Person]:
    """Each person's face in each frame, the main person first.

    That is the track with the largest sum of areas: a face that is near, and seen for long; who is
    not seen for `min_frames` comes after all others. One track and not the largest face of each
    frame, so that no clip jumps between people.

    Args:
        frames: (H, W, 3) uint8 BGR; read once, few are held.
        detector: finds faces.
        every: frames from one detection to the next.
        whole: detections from one in a whole frame to the next.
        batch_size: frames per call of the detector.
        smooth: steady the boxes over five frames, as inference does.
        published: take each frame's first face, whosever it is, as the published preparation does.
        min_frames: of a person who is worth a clip.

    Returns:
        At most `MAX_PEOPLE`; one who is never seen where there is nobody.
    """
    faces = all_faces(detect_video(frames, detector, every, batch_size, whole=whole))
    if published:
        return [Person(first(faces))]
    people, brief = list[Person](), list[Person]()
    for track in sorted(link(faces), key=lambda track: -float(area(track.boxes).sum())):
        if len(brief) == MAX_PEOPLE and np.ptp(track.frames) + 1 < min_frames:
            continue  # a long video has thousands of them
        boxes = boxes_of(track, len(faces))
        start, stop = longest_run(~np.isnan(boxes[:, 0]))
        person = Person(smooth_centred(boxes) if smooth else boxes, track.landmarks)
        if stop - start < min_frames:
            brief = [*brief, person][:MAX_PEOPLE]
        else:
            people.append(person)
        if len(people) == MAX_PEOPLE:
            break
    nobody = Person(np.full((len(faces), 4), np.nan, dtype=np.float32))
    return [*people, *brief][:MAX_PEOPLE] or [nobody]


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
    return max(runs(present), key=lambda run: run[1] - run[0], default=(0, 0))
