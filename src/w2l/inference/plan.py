"""Pass 1: where the face is in every source frame, and why not where it is not.

Only boxes are kept, never pictures, and everything about the faces is known before the first frame
is written: gaps, who is who, smoothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from w2l import boxes as box_ops
from w2l.errors import UserError
from w2l.faces import FaceDetector, Faces
from w2l.faces.detector import FacesByIndex
from w2l.faces.track import detect_video, first, link, select
from w2l.inference.landmarks import landmarks_of
from w2l.inference.report import clock

MissingFace = Literal["pass", "hold", "error"]
Person = Literal["largest", "center", "left", "right", "first"]

MAX_GAP = 4  # frames without a face that are interpolated inside one person's track
NO_FACE = "no face found"
NOT_CHOSEN = "the chosen person is not in the picture"


class NoFaceError(UserError):
    """In none of the frames that were searched is there a face."""


@dataclass(frozen=True)
class FacePlan:
    """The face of every source frame.

    Attributes:
        boxes: int32 (N, 4), N at least the number of source frames: left, top, right,
            bottom, inside the picture; zeros where untouched.
        reasons: frame → why it is left untouched; frames not named here are synced.
        start: the source frame to which the first box belongs.
        landmarks: float32 (N, 5, 2) beside the boxes, as `Faces.landmarks`, NaN where untouched;
            None: not known.
    """

    boxes: np.ndarray
    reasons: dict[int, str]
    start: int = 0
    landmarks: np.ndarray | None = None

    def box(self, frame: int) -> np.ndarray | None:
        """The box (4,) of a source frame, or None where it is left untouched."""
        return None if frame in self.reasons else self.boxes[frame - self.start]

    def points(self, frame: int) -> np.ndarray | None:
        """The landmarks (5, 2) of a source frame, or None where they are not known."""
        return None if self.landmarks is None else self.landmarks[frame - self.start]


@dataclass(frozen=True)
class FaceOptions:
    """How faces are found and followed.

    Attributes:
        pads: pixels added to the detected box: (top, bottom, left, right).
        smooth: steady the boxes over 5 frames.
        missing_face: frames without a face: "pass" leaves them untouched, "hold" keeps the last
            box (at the start the first one), "error" refuses the video.
        person: whom to sync where there are several; "first" is the detector's first face, with
            no tracking, as published.
        detect_every: frames from one detection to the next; faces between are interpolated where
            nothing changes abruptly.
        published: box arithmetic of the release: integers, then a running mean over the 5 frames
            ahead, in place.
    """

    pads: tuple[int, int, int, int] = (0, 10, 0, 0)
    smooth: bool = True
    missing_face: MissingFace = "pass"
    person: Person = "largest"
    detect_every: int = 5
    published: bool = False


def fixed_plan(box: np.ndarray, n_frames: int, height: int, width: int) -> FacePlan:
    """The same box in each frame: no detection, pads or smoothing.

    Args:
        box: (left, top, right, bottom).
        n_frames: source frames.
        height, width: of the picture.

    Raises:
        UserError: the box is not inside the picture.
    """
    left, top, right, bottom = (int(v) for v in box)
    if right > width or bottom > height:
        raise UserError(
            f"box [top,bottom,left,right] = {[top, bottom, left, right]} reaches beyond the "
            f"picture of {width}×{height}."
        )
    whole = np.array([left, top, right, bottom], np.int32)
    return FacePlan(np.broadcast_to(whole, (n_frames, 4)), {})


def find_faces(
    frames: Iterable[np.ndarray],
    detector: FaceDetector | FacesByIndex,
    options: FaceOptions,
    size: tuple[int, int],
    path: Path,
    fps: Fraction,
    start: int = 0,
) -> FacePlan:
    """Detect, follow one person, and settle every frame's box.

    Args:
        frames: the source's pictures in order, read once.
        detector: finds faces.
        options: how.
        size: (height, width) of the picture.
        path, fps: of the source, for messages.
        start: number of the first picture.

    Raises:
        NoFaceError: no frame has a face.
        UserError: a frame has none and `missing_face` is "error".
    """

    def where(frame: int) -> str:
        return f"{path} at {clock((start + frame) / fps)} (frame {start + frame})"

    detected = detect_video(frames, detector, options.detect_every)
    found = list(_stop_early(detected, options, where))
    boxes = _chosen(found, options, size)
    present = box_ops.valid(boxes)
    if not present.any():
        raise NoFaceError(
            f"No face was found in any frame of {path}: "
            "box=[top,bottom,left,right] says where it is."
        )
    reasons = {
        int(i): NOT_CHOSEN if len(found[i].boxes) else NO_FACE for i in np.flatnonzero(~present)
    }
    if reasons and options.missing_face == "error":
        frame = min(reasons)
        raise _missing(where(frame), reasons[frame])
    if reasons and options.missing_face == "hold":
        boxes, reasons = hold(boxes), {}
    reasons = {start + i: reason for i, reason in reasons.items()}
    steady = box_ops.smooth_centred(boxes) if options.smooth else boxes
    landmarks = landmarks_of(found, boxes, steady)
    return FacePlan(_settle(boxes, options, size), reasons, start, landmarks)


def hold(boxes: np.ndarray) -> np.ndarray:
    """Fill missing boxes (N, 4) with the last one before, at the start with the first one."""
    present = np.flatnonzero(box_ops.valid(boxes))
    before = np.searchsorted(present, np.arange(len(boxes)), side="right") - 1
    return boxes[present[np.maximum(before, 0)]]


def _missing(where: str, reason: str) -> UserError:
    return UserError(
        f"{where}: {reason}; missing_face=pass leaves such frames untouched, "
        "missing_face=hold keeps the last box, and box=[top,bottom,left,right] fixes one."
    )


def _stop_early(
    faces: Iterable[Faces], options: FaceOptions, where: Callable[[int], str]
) -> Iterator[Faces]:
    """Where missing faces are errors and cannot be bridged, the first one ends the search."""
    for i, found in enumerate(faces):
        if options.published and options.missing_face == "error" and not len(found.boxes):
            raise _missing(where(i), NO_FACE)
        yield found


def _chosen(found: Sequence[Faces], options: FaceOptions, size: tuple[int, int]) -> np.ndarray:
    """One person's boxes, float (N, 4), NaN where missing."""
    if options.person == "first":
        return first(found)
    n_frames, width = len(found), size[1]
    return select(link(found), options.person, n_frames, width, max_gap=MAX_GAP)


def _settle(boxes: np.ndarray, options: FaceOptions, size: tuple[int, int]) -> np.ndarray:
    """Smoothed and padded integer boxes (N, 4); rows of zeros where missing."""
    settled = np.zeros((len(boxes), 4), np.int32)
    present = box_ops.valid(boxes)
    if options.smooth and not options.published:
        boxes = box_ops.smooth_centred(boxes)
    settled[present] = box_ops.pad(boxes[present], options.pads, *size)
    if options.smooth and options.published:
        settled[present] = box_ops.smooth(settled[present])
    return settled
