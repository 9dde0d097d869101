"""Faces through a video: detection every few frames, tracks, and the one person to sync."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from w2l import boxes as box_ops
from w2l.errors import UserError
from w2l.faces.detector import FaceDetector, Faces, FacesByIndex

MATCH_IOU = 0.5  # of one face in two key frames; between them it is interpolated
CHANGE = 20.0  # mean difference of 8-bit values that no talking head makes within a few frames
PERSONS = ("largest", "center", "left", "right")


class Track(NamedTuple):
    """One face through time."""

    frames: np.ndarray  # (n,) int, rising: the frames in which it was seen
    boxes: np.ndarray  # (n, 4) float32
    scores: np.ndarray  # (n,) float32
    landmarks: np.ndarray | None = None  # (n, 5, 2) float32, where the detector gives them


def detect_video(
    frames: Iterable[np.ndarray],
    detector: FaceDetector | FacesByIndex,
    every: int = 5,
    batch_size: int = 8,
) -> Iterator[Faces]:
    """Faces of each frame of a video, looking for them only in key frames where that will do.

    Every `every`-th frame and the last one are key frames. Between two of them faces are
    interpolated, if each face of one has its own in the other and the picture does not change
    abruptly in between; otherwise these frames are searched too. No more frames are held than lie
    between two key frames (`batch_size` where each frame is one).

    Args:
        frames: (H, W, 3) uint8 BGR.
        detector: one that is `FacesByIndex`, as `BoxFile` is, is asked by frame number.
        every: 1 searches each frame.
        batch_size: frames given to the detector at once.

    Yields:
        The faces of one frame after another.
    """
    if every < 1 or batch_size < 1:
        raise ValueError(f"every={every} and batch_size={batch_size} must be at least 1")
    if isinstance(detector, FacesByIndex):
        for index, _ in enumerate(frames):
            yield detector.at(index)
    elif every == 1:
        for batch in _batches(frames, batch_size):
            yield from detector.detect(batch)
    else:
        yield from _detect_sparsely(frames, detector, every, batch_size)


def _batches(frames: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Lists of `size` frames, the last one maybe shorter; each is emptied when the next is due."""
    batch: list[np.ndarray] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == size:
            yield batch
            batch.clear()
    if batch:
        yield batch
        batch.clear()


def _detect_sparsely(
    frames: Iterable[np.ndarray], detector: FaceDetector, every: int, batch_size: int
) -> Iterator[Faces]:
    remaining = iter(frames)
    key = next(remaining, None)
    if key is None:
        return
    (before,) = detector.detect([key])
    yield before
    thumbnail = _thumbnail(key)
    del key
    for batch in _batches(remaining, every):  # each ends with a key frame
        thumbnails = [thumbnail, *(_thumbnail(frame) for frame in batch)]
        (after,) = detector.detect(batch[-1:])
        pairs = _match(before, after)
        if pairs is None or _changes(thumbnails):
            for part in _batches(batch[:-1], batch_size):
                yield from detector.detect(part)
        else:
            for i in range(1, len(batch)):
                yield _blend(before, after, pairs, i / len(batch))
        yield after
        before, thumbnail = after, thumbnails[-1]


def _thumbnail(frame: np.ndarray) -> np.ndarray:
    """A few pixels of a frame (H, W, 3), on a grid of about 32x32: int16."""
    height, width = frame.shape[:2]
    return frame[:: max(1, height // 32), :: max(1, width // 32)].astype(np.int16)


def _changes(thumbnails: Sequence[np.ndarray]) -> bool:
    """Whether some frame looks nothing like the one before it: a cut, or a single odd frame."""
    return any(
        a.shape != b.shape or float(np.abs(a - b).mean()) > CHANGE for a, b in pairwise(thumbnails)
    )


def _match(before: Faces, after: Faces) -> np.ndarray | None:
    """For each face of `before` its one in `after`, or None if not all have exactly one."""
    if len(before.boxes) != len(after.boxes):
        return None
    matches = box_ops.iou(before.boxes, after.boxes) >= MATCH_IOU
    if (matches.sum(axis=0) != 1).any() or (matches.sum(axis=1) != 1).any():
        return None
    return matches.argmax(axis=1) if len(matches) else np.empty(0, dtype=np.int64)


def _blend(before: Faces, after: Faces, pairs: np.ndarray, share: float) -> Faces:
    """Faces on the straight way from `before` (share 0) to `after` (share 1)."""

    def mix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return ((1 - share) * a + share * b[pairs]).astype(np.float32)

    landmarks = None
    if before.landmarks is not None and after.landmarks is not None:
        landmarks = mix(before.landmarks, after.landmarks)
    return Faces(mix(before.boxes, after.boxes), mix(before.scores, after.scores), landmarks)


def link(faces: Sequence[Faces], min_iou: float = 0.3, max_gap: int = 25) -> list[Track]:
    """Join the faces of consecutive frames into tracks.

    In each frame the best overlapping pairs of a track's last box and a face are joined first.

    Args:
        faces: of each frame.
        min_iou: least overlap of a face with the track's last box.
        max_gap: frames that a face may be out of sight and still be the same track.

    Returns:
        Tracks in the order of their first frames. Each face is in exactly one.
    """
    tracks: list[list[tuple[int, int]]] = []  # (frame, its face) pairs
    for frame, found in enumerate(faces):
        free = list(range(len(found.boxes)))
        alive = [t for t in tracks if frame - t[-1][0] <= max_gap + 1]
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


def select(
    tracks: Sequence[Track],
    person: str,
    n_frames: int,
    width: int,
    *,
    max_gap: int = 4,
    min_run: int = 12,
    min_frames: int = 3,
) -> np.ndarray:
    """The box of one person in each frame.

    Tracks are ranked by what is asked for, times how long they are seen, and each takes its time
    from first to last frame as far as it is not taken yet. So the choice changes only where a
    track begins or ends, never for less than `min_run` frames, and while the chosen person looks
    away nobody else steps in.

    Args:
        tracks: from `link`.
        person: `largest`, `center`, `left` or `right`.
        n_frames: of the video.
        width: of the picture, pixels.
        max_gap: frames within one track that are interpolated.
        min_run: frames that a later choice must have for itself (or its whole length, if shorter).
        min_frames: shorter tracks are taken for false alarms (in a video as long as this).

    Returns:
        (n_frames, 4) float32, NaN where there is no box.

    Raises:
        UserError: `person` is not one of these.
    """
    if person not in PERSONS:
        raise UserError(f"person={person} is not known: choose one of {', '.join(PERSONS)}.")
    seen = [t for t in tracks if len(t.frames) >= min(min_frames, n_frames)]
    taken = np.zeros(n_frames, dtype=bool)
    chosen = np.full((n_frames, 4), np.nan, dtype=np.float32)
    for track in sorted(seen, key=lambda t: -_rank(t, person, width)):
        span = np.zeros(n_frames, dtype=bool)
        span[track.frames[0] : track.frames[-1] + 1] = True
        boxes = boxes_of(track, n_frames, max_gap)
        for start, stop in _runs(span & ~taken):
            if stop - start >= min(min_run, span.sum()):
                chosen[start:stop] = boxes[start:stop]
                taken[start:stop] = True
    return chosen


def _rank(track: Track, person: str, width: int) -> float:
    """How well a track answers `person`, summed over the frames in which it is seen."""
    if person == "largest":
        return float(box_ops.area(track.boxes).sum())
    x = (track.boxes[:, 0] + track.boxes[:, 2]) / (2 * width)  # 0 left, 1 right
    closeness = {"left": 1 - x, "right": x, "center": 1 - 2 * np.abs(x - 0.5)}[person]
    # The power makes place count for more than time, yet not for a face that passes by.
    return float((closeness**4).sum())


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of True in (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


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
