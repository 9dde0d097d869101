"""Faces through a video: tracks, and the one person to sync."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import cv2
import numpy as np

from w2l import boxes as box_ops
from w2l.components import Faces
from w2l.errors import UserError

LISTED = 12  # tracks that an error names; person=tracks names all
# A head in units of the distance between its eyes: x to the image's right, y down, z away from
# the camera. Means of adult faces, which the landmarks of one frame do not tell apart.
MODEL = np.array(
    [
        [-0.5, 0.0, 0.0],  # the eye that is left in the image
        [0.5, 0.0, 0.0],
        [0.0, 0.62, -0.42],  # tip of the nose
        [-0.4, 1.12, -0.06],  # corners of the mouth
        [0.4, 1.12, -0.06],
    ]
)
FAR = 10.0  # the camera's distance in the same units: perspective then matters little
PERSONS = ("largest", "center", "left", "right")
LEAST_IOU = 0.3  # of a face with where it was last, to be the same one


def by_number(tracks: Sequence[Track], numbers: Sequence[int], fps: Fraction) -> list[float | None]:
    """The tracks of these numbers, counted from 1 in the order given (see `lasting`).

    Raises:
        UserError: there is no such track; the first ones are named.
    """
    missing = [number for number in numbers if not 1 <= number <= len(tracks)]
    if missing:
        lines = describe(tracks, fps)
        more = [f"  … and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
        raise UserError(
            f"person=track:{'+'.join(map(str, numbers))} names a track that is not there, "
            f"number {missing[0]}; person=tracks shows those that are:\n"
            + "\n".join([f"  {line}" for line in lines[:LISTED]] + more)
        )
    return [1.0 if i in numbers else None for i in range(1, len(tracks) + 1)]


def describe(tracks: Sequence[Track], fps: Fraction) -> list[str]:
    """A line for each track: number, times, mean position of the box."""
    lines = []
    for number, track in enumerate(tracks, 1):
        left, top, right, bottom = np.rint(track.boxes.mean(axis=0)).astype(int)
        start, stop = (float(frame / fps) for frame in (track.frames[0], track.frames[-1] + 1))
        lines.append(
            f"track {number}: {start:.2f} to {stop:.2f} s, {len(track.frames)} frames, "
            f"mean box [{top},{bottom},{left},{right}]"
        )
    return lines


class Pose(NamedTuple):
    """Degrees; all zero: the face looks straight into the camera.

    Attributes:
        yaw: positive where the nose points to the image's right.
        pitch: positive where it points down.
        roll: positive where the head is tilted clockwise in the image.
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: np.ndarray) -> Pose | None:
    """The pose of one head; None where no head has such landmarks.

    Args:
        landmarks: (5, 2) pixels: the eyes, the tip of the nose, the corners of the mouth, of each
            pair first the one that is left in the image.

    Example:
        >>> straight = head_pose(MODEL[:, :2] * 50 + 100)
        >>> abs(straight.yaw) < 1
        True
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if not np.isfinite(points).all():
        return None
    points = points - points.mean(axis=0)
    size = float(np.sqrt((points**2).sum(axis=1).mean()))
    if size == 0:
        return None
    # Scaled so that a head at distance FAR has about this size, whatever the image's.
    points *= np.sqrt(((MODEL - MODEL.mean(axis=0))[:, :2] ** 2).sum(axis=1).mean()) / size
    camera = np.diag([FAR, FAR, 1.0])
    found, turn, _ = cv2.solvePnP(MODEL, points, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found:
        return None
    nose = cv2.Rodrigues(turn)[0]
    forward = nose @ np.array([0.0, 0.0, -1.0])
    right = nose @ np.array([1.0, 0.0, 0.0])
    return Pose(
        yaw=float(np.degrees(np.arctan2(forward[0], -forward[2]))),
        pitch=float(np.degrees(np.arcsin(np.clip(forward[1], -1, 1)))),
        roll=float(np.degrees(np.arctan2(right[1], right[0]))),
    )


class Track(NamedTuple):
    """One face through time."""

    frames: np.ndarray  # (n,) int, rising: the frames in which it was seen
    boxes: np.ndarray  # (n, 4) float32
    scores: np.ndarray  # (n,) float32
    landmarks: np.ndarray | None = None  # (n, 5, 2) float32, where the detector gives them

    def meets(self, other: Track) -> bool:
        """Whether both last at one time."""
        return bool(self.frames[0] <= other.frames[-1] and other.frames[0] <= self.frames[-1])


# How well each track answers, higher is better; None: this one is not the person.
Chooser = Callable[[Sequence[Track]], list[float | None]]


def link(
    faces: Sequence[Faces], min_iou: float = LEAST_IOU, max_gap: int = 25, shots: Sequence[int] = ()
) -> list[Track]:
    """Join the faces of consecutive frames into tracks.

    In each frame the best overlapping pairs of a track's last box and a face are joined first.

    Args:
        faces: of each frame.
        min_iou: least overlap of a face with the track's last box.
        max_gap: frames that a face may be out of sight and still be the same track.
        shots: first frames of shots: no track goes on in the next one.

    Returns:
        Tracks in the order of their first frames. Each face is in exactly one.
    """
    tracks: list[list[tuple[int, int]]] = []  # (frame, its face) pairs
    cuts, earlier = frozenset(shots), 0  # tracks of earlier shots
    for frame, found in enumerate(faces):
        if frame in cuts:
            earlier = len(tracks)
        free = list(range(len(found.boxes)))
        alive = [t for t in tracks[earlier:] if frame - t[-1][0] <= max_gap + 1]
        if alive and free:
            last = np.stack([faces[t[-1][0]].boxes[t[-1][1]] for t in alive])
            overlap = box_ops.iou(last, found.boxes)
            while overlap.max() >= min_iou:
                i, j = np.unravel_index(overlap.argmax(), overlap.shape)
                alive[i].append((frame, int(j)))
                free.remove(int(j))
                overlap[i, :] = overlap[:, j] = -1
        tracks += [[(frame, j)] for j in free]
    return [
        Track(
            np.array([frame for frame, _ in t]),
            np.stack([faces[frame].boxes[j] for frame, j in t]),
            np.array([faces[frame].scores[j] for frame, j in t], dtype=np.float32),
            _landmarks(faces, t),
        )
        for t in tracks
    ]


def _landmarks(faces: Sequence[Faces], seen: Sequence[tuple[int, int]]) -> np.ndarray | None:
    points = [found[j] for frame, j in seen if (found := faces[frame].landmarks) is not None]
    return np.stack(points) if len(points) == len(seen) else None


def boxes_of(track: Track, n_frames: int, max_gap: int = 4) -> np.ndarray:
    """The track's box in each frame: (n_frames, 4) float32, NaN where it is not seen.

    Args:
        track: one from `link`.
        n_frames: of the video.
        max_gap: gaps of at most this many frames are interpolated.
    """
    boxes = np.full((n_frames, 4), np.nan, dtype=np.float32)
    boxes[track.frames] = track.boxes
    return box_ops.interpolate(boxes, max_gap)


def lasting(
    tracks: Sequence[Track], n_frames: int, shots: Sequence[int] = (), min_frames: int = 3
) -> list[Track]:
    """Tracks that are no false alarms, in the order in which they appear, then from left to right.

    Args:
        tracks: from `link`.
        n_frames: of the video.
        shots: first frames of shots, as for `link`.
        min_frames: of a track, or the length of its shot, if that is shorter.
    """
    bounds = np.array([0, *shots, n_frames])

    def counts(track: Track) -> bool:
        after = np.searchsorted(bounds[:-1], track.frames[0], side="right")
        return len(track.frames) >= min(min_frames, bounds[after] - bounds[after - 1])

    kept = [track for track in tracks if counts(track)]
    return sorted(kept, key=lambda track: (track.frames[0], track.boxes[0, 0]))


def choose(
    tracks: Sequence[Track], ranks: Sequence[float | None], n_frames: int, min_run: int = 12
) -> np.ndarray:
    """The track that is followed in each frame: int (n_frames,), -1 for none.

    The best track takes its time from first to last frame, then the next one as far as it is not
    taken yet, and so on. So the choice changes only where a track begins or ends, never for less
    than `min_run` frames, and while the chosen person looks away nobody else steps in.

    Args:
        tracks: from `lasting`.
        ranks: of each track, higher is better; None: never this one.
        n_frames: of the video.
        min_run: frames that a later choice must have for itself (or its whole length, if shorter).
    """
    chosen = np.full(n_frames, -1)
    wanted = [(rank, i) for i, rank in enumerate(ranks) if rank is not None]
    for _, i in sorted(wanted, key=lambda each: -each[0]):
        span = np.zeros(n_frames, dtype=bool)
        span[tracks[i].frames[0] : tracks[i].frames[-1] + 1] = True
        for start, stop in box_ops.runs(span & (chosen < 0)):
            if stop - start >= min(min_run, span.sum()):
                chosen[start:stop] = i
    return chosen


def select(
    tracks: Sequence[Track], person: str, n_frames: int, width: int, *, max_gap: int = 4
) -> np.ndarray:
    """The box of one person in each frame, chosen by place; see `choose`.

    Args:
        tracks: from `link`.
        person: `largest`, `center`, `left` or `right`.
        n_frames: of the video.
        width: of the image, pixels.
        max_gap: frames within one track that are interpolated.

    Returns:
        (n_frames, 4) float32, NaN where there is no box.

    Raises:
        UserError: `person` is not one of these.
    """
    if person not in PERSONS:
        raise UserError(f"person={person} is not known: choose one of {', '.join(PERSONS)}.")
    tracks = lasting(tracks, n_frames)
    chosen = choose(tracks, [place(track, person, width) for track in tracks], n_frames)
    boxes = np.full((n_frames, 4), np.nan, dtype=np.float32)
    for i in np.unique(chosen[chosen >= 0]):
        boxes[chosen == i] = boxes_of(tracks[i], n_frames, max_gap)[chosen == i]
    return boxes


def place(track: Track, person: str, width: int) -> float:
    """How well a track answers `person`, one of `PERSONS`, summed over the frames it is seen in."""
    if person == "largest":
        return float(box_ops.area(track.boxes).sum())
    x = (track.boxes[:, 0] + track.boxes[:, 2]) / (2 * width)  # 0 left, 1 right
    closeness = {"left": 1 - x, "right": x, "center": 1 - 2 * np.abs(x - 0.5)}[person]
    # The power makes place count for more than time, yet not for a face that passes by.
    return float((closeness**4).sum())


def first(faces: Sequence[Faces]) -> np.ndarray:
    """The detector's first face of each frame, as the published inference chooses.

    Returns:
        (len(faces), 4) float32, NaN where there is none.
    """
    boxes = np.full((len(faces), 4), np.nan, dtype=np.float32)
    for box, found in zip(boxes, faces, strict=True):
        if len(found.boxes):
            box[:] = found.boxes[0]
    return boxes
