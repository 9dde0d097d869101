"""Where the face is in every source frame, and why not where it is not.

Everything about the faces is known before the first frame is written: cuts, gaps, who is who,
smoothing. Nothing reaches across a cut: there a person goes on by the rule of choice alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from w2l import boxes as box_ops
from w2l.components import FaceDetector, FacesByIndex
from w2l.errors import UserError
from w2l.faces.search import Detections
from w2l.faces.track import Chooser, Track, boxes_of, choose, first, head_pose, lasting, link, place
from w2l.inference.face_cache import FaceCache
from w2l.inference.fade import strengths
from w2l.inference.landmarks import landmarks_of
from w2l.inference.report import clock
from w2l.inference.search import detect

MissingFace = Literal["pass", "hold", "error"]
Person = Literal["largest", "center", "left", "right", "first"]

MAX_GAP = 4  # frames without a face that are interpolated inside one person's track
MAX_TURN = 60.0  # degrees
MIN_SCORE = 0.5
NO_FACE = "no face found"
NOT_CHOSEN = "the chosen person is not in the image"


class NoFaceError(UserError):
    """In none of the frames that were searched is there a face."""


@dataclass(frozen=True)
class FacePlan:
    """The face of every source frame.

    Attributes:
        boxes: int32 (N, 4), N at least the number of source frames: left, top, right,
            bottom, inside the image; zeros where untouched.
        reasons: frame → why it is left untouched; frames not named here are synced.
        start: the source frame to which the first box belongs.
        strengths: float32 (N,) in [0, 1], how much of the generated face is shown; None: all.
        landmarks: float32 (N, 5, 2) beside the boxes, as `Faces.landmarks`, NaN where untouched;
            None: not known.
    """

    boxes: np.ndarray
    reasons: dict[int, str]
    start: int = 0
    strengths: np.ndarray | None = None
    landmarks: np.ndarray | None = None

    def whole(self) -> FacePlan:
        """Itself; of one that is still coming, all of it."""
        return self

    def reason(self, frame: int) -> str | None:
        """Why a source frame is left untouched; None: it is not."""
        return self.reasons.get(frame)

    def box(self, frame: int) -> np.ndarray | None:
        """The box (4,) of a source frame, or None where it is left untouched."""
        return None if frame in self.reasons else self.boxes[frame - self.start]

    def strength(self, frame: int) -> float:
        """How much of a source frame's generated face is shown, 0 to 1."""
        return 1.0 if self.strengths is None else float(self.strengths[frame - self.start])

    def points(self, frame: int) -> np.ndarray | None:
        """The landmarks (5, 2) of a source frame, or None where they are not known."""
        return None if self.landmarks is None else self.landmarks[frame - self.start]


@dataclass(frozen=True)
class FaceOptions:
    """How faces are found and followed.

    Attributes:
        pads: pixels added to the detected box: (top, bottom, left, right); None: those that the
            generator was trained with; the published ones where there is no generator.
        smooth: steady the boxes over 5 frames.
        missing_face: frames without a face: "pass" leaves them untouched, "hold" keeps the shot's
            last box (at its start the first one), "error" refuses the video.
        person: whom to sync where there are several; "first" is the detector's first face, with
            no tracking, as published.
        chooser: ranks the tracks in place of `person`.
        detect_every: frames from one detection to the next; faces between are interpolated where
            nothing changes abruptly.
        detect_whole: detections from one in a whole frame to the next; between, faces are looked
            for around where they are.
        max_turn: degrees that a head may be turned sideways: towards them the result fades back
            to the source, beyond them it is left untouched; None: however far.
        min_score: of the detector, likewise; None: however low.
        cache: keeps what was found for the next run; None: nothing is kept.
        published: box arithmetic of the release: integers, then a running mean over the 5 frames
            ahead, in place; and no cuts are looked for.
    """

    pads: tuple[int, int, int, int] | None = None
    smooth: bool = True
    missing_face: MissingFace = "pass"
    person: Person = "largest"
    chooser: Chooser | None = None
    detect_every: int = 5
    detect_whole: int = 5
    max_turn: float | None = MAX_TURN
    min_score: float | None = MIN_SCORE
    cache: FaceCache | None = None
    published: bool = False

    @property
    def step(self) -> int:
        """Frames from one that is searched whole to the next."""
        return 1 if self.detect_every == 1 else self.detect_every * self.detect_whole


def fixed_plan(box: np.ndarray, n_frames: int, height: int, width: int) -> FacePlan:
    """The same box in each frame: no detection, pads or smoothing.

    Args:
        box: (left, top, right, bottom).
        n_frames: source frames.
        height, width: of the image.

    Raises:
        UserError: the box is empty, or not inside the image.
    """
    left, top, right, bottom = (int(v) for v in box)
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise UserError(
            f"box [top,bottom,left,right] = {[top, bottom, left, right]} is empty or reaches "
            f"beyond the image of {width}×{height}."
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
        frames: the source's images in order, read once.
        detector: finds faces.
        options: how.
        size: (height, width) of the image.
        path, fps: of the source, for messages.
        start: number of the first image.

    Raises:
        NoFaceError: no frame has a face.
        UserError: a frame has none and `missing_face` is "error".
    """

    found = detect(
        frames,
        detector,
        fps,
        every=options.detect_every,
        whole=options.detect_whole,
        shots=not options.published,
        stop_at_none=options.published and options.missing_face == "error",
    )
    return settle(found, options, size, path, fps, start)


def settle(
    found: Detections,
    options: FaceOptions,
    size: tuple[int, int],
    path: Path,
    fps: Fraction,
    start: int = 0,
) -> FacePlan:
    """Follow one person through what was found; arguments and errors as for `find_faces`."""
    seen = _follow(found, options, size[1], fps)
    present = box_ops.valid(seen.boxes)
    stopped = options.published and options.missing_face == "error"  # at the first one without
    if not present.any() and not stopped:
        raise NoFaceError(
            f"No face was found in any frame of {path}: "
            "box=[top,bottom,left,right] says where it is."
        )
    missing = {
        int(i): NOT_CHOSEN if len(found.faces[i].boxes) else NO_FACE
        for i in np.flatnonzero(~present)
    }
    if missing and options.missing_face == "error":
        frame = min(missing)
        where = f"{path} at {clock((start + frame) / fps)} (frame {start + frame})"
        raise UserError(
            f"{where}: {missing[frame]}; missing_face=pass leaves such frames untouched, "
            "missing_face=hold keeps the last box, and box=[top,bottom,left,right] fixes one."
        )
    runs = [(a, b) for id_ in np.unique(seen.ids) for a, b in box_ops.runs(seen.ids == id_)]
    shown, faded = strengths(seen.scores, seen.turns, runs, options.max_turn, options.min_score)
    boxes = seen.boxes
    if options.missing_face == "hold":
        boxes = np.concatenate([hold(boxes[a:b]) for a, b in found.spans()])
        missing = {i: reason for i, reason in missing.items() if not box_ops.valid(boxes[i])}
    reasons = {start + i: reason for i, reason in sorted((faded | missing).items())}
    whole = None if (shown == 1).all() else shown
    steady = _smoothed(boxes, found.spans(), options)
    landmarks = landmarks_of(found.faces, boxes, steady)
    return FacePlan(_settled(steady, options, size), reasons, start, whole, landmarks)


def hold(boxes: np.ndarray) -> np.ndarray:
    """Fill missing boxes (N, 4) with the last one before, at the start with the first one.

    Where there is none at all they stay missing.
    """
    present = np.flatnonzero(box_ops.valid(boxes))
    if not len(present):
        return boxes
    before = np.searchsorted(present, np.arange(len(boxes)), side="right") - 1
    return boxes[present[np.maximum(before, 0)]]


def tracks_of(found: Detections) -> list[Track]:
    """Everybody who is seen, in the order of `person=track:N`; nobody across a cut."""
    return lasting(link(found.faces, shots=found.shots), len(found.faces), found.shots)


def alone(track: Track, options: FaceOptions, size: tuple[int, int]) -> FacePlan:
    """One track's boxes, smoothed and padded, counted from its first frame."""
    n_frames = int(track.frames[-1] - track.frames[0]) + 1
    boxes = boxes_of(track._replace(frames=track.frames - track.frames[0]), n_frames, MAX_GAP)
    missing = np.flatnonzero(~box_ops.valid(boxes))
    steady = _settled(_smoothed(boxes, [(0, n_frames)], options), options, size)
    return FacePlan(steady, {int(i): NO_FACE for i in missing})


class _Followed(NamedTuple):
    """One person in each of N frames."""

    boxes: np.ndarray  # (N, 4) float, NaN where missing
    scores: np.ndarray  # (N,) float, NaN where not known
    turns: np.ndarray  # (N,) float, degrees, likewise
    ids: np.ndarray  # (N,) int: frames with one number are one face in one shot


def _follow(found: Detections, options: FaceOptions, width: int, fps: Fraction) -> _Followed:
    n_frames = len(found.faces)
    if options.person == "first" and options.chooser is None:
        nothing = np.full(n_frames, np.nan)
        return _Followed(first(found.faces), nothing, nothing, np.zeros(n_frames, int))
    tracks = tracks_of(found)
    if options.chooser is not None:
        ranks = options.chooser(tracks)
    else:
        ranks = [place(track, options.person, width) for track in tracks]
    ids = choose(tracks, ranks, n_frames)
    seen = np.full((n_frames, 6), np.nan)
    for i in np.unique(ids[ids >= 0]):
        values = np.full((n_frames, 6), np.nan)
        values[tracks[i].frames, :4] = tracks[i].boxes
        values[tracks[i].frames, 4] = tracks[i].scores
        values[tracks[i].frames, 5] = _turns(tracks[i], options)
        seen[ids == i] = box_ops.interpolate(values, MAX_GAP)[ids == i]
    return _Followed(seen[:, :4], seen[:, 4], seen[:, 5], ids)


def _turns(track: Track, options: FaceOptions) -> np.ndarray:
    """Degrees (n,) by which the head is turned sideways; 0 where nobody knows or asks."""
    if track.landmarks is None or options.max_turn is None:
        return np.zeros(len(track.frames))
    poses = (head_pose(points) for points in track.landmarks)
    return np.array([0.0 if pose is None else pose.yaw for pose in poses])


def _smoothed(
    boxes: np.ndarray, shots: Sequence[tuple[int, int]], options: FaceOptions
) -> np.ndarray:
    if not options.smooth or options.published:
        return boxes
    return np.concatenate([box_ops.smooth_centred(boxes[a:b]) for a, b in shots])


def _settled(boxes: np.ndarray, options: FaceOptions, size: tuple[int, int]) -> np.ndarray:
    """Padded integer boxes (N, 4); rows of zeros where missing."""
    settled = np.zeros((len(boxes), 4), np.int32)
    present = box_ops.valid(boxes)
    pads = box_ops.PUBLISHED_PADS if options.pads is None else options.pads
    settled[present] = box_ops.pad(boxes[present], pads, *size)
    if options.smooth and options.published:
        settled[present] = box_ops.smooth(settled[present])
    return settled
