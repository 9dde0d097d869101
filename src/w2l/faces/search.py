"""Detection through a video: looking every few frames where that will do."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from w2l import boxes as box_ops
from w2l.components import FaceDetector, Faces, FacesByIndex
from w2l.cores import Cores
from w2l.faces.near import MATCH_IOU, find_near

MOST_AT_ONCE = 4  # threads that search at the same time
HELD_BYTES = 256 * 2**20  # of frames that wait for a batch of key frames to be searched
CHANGE = 20.0  # mean difference of 8-bit values that no talking head makes within a few frames


class Detections(NamedTuple):
    """The raw result of a search, before anybody is followed.

    Attributes:
        faces: of each frame.
        shots: first frame of each shot, rising, beginning with 0.
        whole: the video has no more frames than these.
    """

    faces: list[Faces]
    shots: list[int]
    whole: bool = False

    def first(self, n_frames: int) -> Detections:
        """The same of the first `n_frames` frames."""
        if n_frames >= len(self.faces):
            return self
        return Detections(
            self.faces[:n_frames], [start for start in self.shots if start < n_frames]
        )

    def spans(self) -> list[tuple[int, int]]:
        """(start, stop) of each shot."""
        return list(zip(self.shots, [*self.shots[1:], len(self.faces)], strict=True))


def collect(faces: Iterable[Faces], shots: Sequence[int]) -> Detections:
    """Take all `faces`; `shots` may grow meanwhile, as `CutWatch.starts` does."""
    found = all_faces(faces)
    return Detections(found, list(shots))


def save(path: Path, found: Detections) -> None:
    """Write an .npz: a few numbers a face, flat."""
    points = [f.landmarks for f in found.faces if f.landmarks is not None]
    has_points = bool(points) and len(points) == len(found.faces)
    np.savez_compressed(
        path,
        counts=np.array([len(f.boxes) for f in found.faces], np.int32),
        boxes=np.concatenate([np.empty((0, 4), np.float32), *(f.boxes for f in found.faces)]),
        scores=np.concatenate([np.empty(0, np.float32), *(f.scores for f in found.faces)]),
        landmarks=np.concatenate([np.empty((0, 5, 2), np.float32), *points])
        if has_points
        else np.empty(0, np.float32),
        has_landmarks=has_points,
        shots=np.array(found.shots, np.int32),
        whole=found.whole,
    )


def load(path: Path) -> Detections | None:
    """What `save` wrote, bit by bit; None where there is none that can be read."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            counts, boxes, scores = file["counts"], file["boxes"], file["scores"]
            points = file["landmarks"] if bool(file["has_landmarks"]) else None
            shots, whole = file["shots"].tolist(), bool(file["whole"])
    except Exception:  # damaged: NumPy, zipfile, zlib and the header's tokenizer have their own
        return None
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    if not (len(boxes) == len(scores) == total and (points is None or len(points) == total)):
        return None
    rows = [slice(int(end - n), int(end)) for n, end in zip(counts, ends, strict=True)]
    faces = [
        Faces(boxes[row], scores[row], None if points is None else points[row]) for row in rows
    ]
    return Detections(faces, shots, whole)


def detect_video(
    frames: Iterable[np.ndarray],
    detector: FaceDetector | FacesByIndex,
    every: int = 5,
    batch_size: int = 8,
    shots: Sequence[int] = (),
    whole: int = 1,
) -> Iterator[Faces]:
    """Faces of each frame of a video, looking for them only in key frames where that will do.

    Every `every`-th frame and the last one are key frames. Between two of them faces are
    interpolated, if each face of one has its own in the other and the image does not change
    abruptly in between, nor is there a cut; otherwise these frames are searched too. The detector
    is given `batch_size` key frames at once, as far as the frames before them, which are held until
    then, fit into `HELD_BYTES`. With several threads, and no GPU that would take them all at once,
    each thread gives it one key frame, up to `MOST_AT_ONCE` at the same time.

    With `whole` only every so manieth key frame is shown to the detector whole. Where two of these
    have the same faces, of those between it is shown a window around each face (`w2l.faces.near`).
    Where they differ, there is a cut, or a face is not found so, the key frames between are
    searched whole, too. On a GPU, where a batch of small frames takes as long, all are.

    Args:
        frames: (H, W, 3) uint8 BGR.
        detector: one that is `FacesByIndex`, as `BoxFile` is, is asked by frame number.
        every: 1 searches each frame.
        batch_size: frames given to the detector at once.
        shots: rising first frames of shots, known at the latest when the frame is drawn, as
            `CutWatch.starts` are.
        whole: key frames from one that is searched whole to the next.

    Yields:
        The faces of one frame after another.
    """
    if min(every, batch_size, whole) < 1:
        raise ValueError(f"{every=}, {batch_size=} and {whole=} must be at least 1")
    if isinstance(detector, FacesByIndex):
        for index, _ in enumerate(frames):
            yield detector.at(index)
    elif every == 1:
        for batch in _batches(frames, batch_size):
            yield from detector.detect(batch)
    else:
        yield from _detect_sparsely(frames, detector, every, batch_size, shots, whole)


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
    frames: Iterable[np.ndarray],
    detector: FaceDetector,
    every: int,
    batch_size: int,
    shots: Sequence[int],
    whole: int,
) -> Iterator[Faces]:
    remaining = iter(frames)
    key = next(remaining, None)
    if key is None:
        return
    (before,) = detector.detect([key])
    yield before
    room = max(1, HELD_BYTES // (every * key.nbytes))
    on_gpu = _on_gpu(detector)
    in_parts = getattr(detector, "takes_parts", True) and not on_gpu
    whole = min(whole, room) if in_parts else 1
    n_threads = 1 if on_gpu or whole > 1 else min(torch.get_num_threads(), MOST_AT_ONCE)
    n_keys = 1 if n_threads > 1 or whole > 1 else min(batch_size, room)
    gaps = _Gaps(detector, batch_size, shots, before, key)
    if whole == 1:
        gaps.key = None
    del key
    with closing(_key_frames(remaining, detector, every * whole, n_keys, n_threads)) as searched:
        for stretches, afters in searched:  # each stretch ends with a key frame
            if whole > 1:
                stretches, afters = gaps.key_frames(stretches.pop(), afters[0], every)
            yield from gaps.fill(stretches, afters)


class _Gaps:
    """Finds the faces of frames between those where they are known.

    Args:
        detector, batch_size, shots: as for `detect_video`.
        before: faces of the first frame.
        key: the first frame.

    Attributes:
        key: the last frame that was searched whole; None: no more, it is not needed.
    """

    def __init__(
        self,
        detector: FaceDetector,
        batch_size: int,
        shots: Sequence[int],
        before: Faces,
        key: np.ndarray,
    ) -> None:
        self._detector, self._batch_size, self._shots = detector, batch_size, shots
        self._before, self._thumbnail, self._number = before, _thumbnail(key), 0
        self.key: np.ndarray | None = key

    def fill(
        self, stretches: Sequence[list[np.ndarray]], afters: Sequence[Faces]
    ) -> Iterator[Faces]:
        """The faces of all frames of the next stretches, which are cleared.

        Args:
            stretches: each ends with a frame whose faces are known.
            afters: these.
        """
        found = list[list[Faces] | None]()  # between two known frames; None: to be searched
        for stretch, after in zip(stretches, afters, strict=True):
            pairs, n = _match(self._before, after), len(stretch)
            if pairs is None or self._is_broken(stretch):
                found.append(None)
            else:
                found.append([_blend(self._before, after, pairs, i / n) for i in range(1, n)])
            self._before, self._thumbnail = after, _thumbnail(stretch[-1])
            self._number += n
        unknown = [
            frame
            for stretch, known in zip(stretches, found, strict=True)
            if known is None
            for frame in stretch[:-1]
        ]
        lengths = [len(stretch) - 1 for stretch in stretches]
        for stretch in stretches:
            stretch.clear()  # the next frames are drawn before these names are used again
        searched = iter(self._search(unknown))
        unknown.clear()
        for known, after, length in zip(found, afters, lengths, strict=True):
            yield from islice(searched, length) if known is None else known
            yield after

    def key_frames(
        self, frames: list[np.ndarray], after: Faces, every: int
    ) -> tuple[list[list[np.ndarray]], list[Faces]]:
        """Stretches of `every` frames, and the faces of each one's last.

        They are looked for around where the faces lie before and after all of these frames, which
        must be the same ones; else, or where one is not found there, in the whole frame.

        Args:
            frames: the next ones; the list is cleared.
            after: faces of the last one.
        """
        stretches = [frames[i : i + every] for i in range(0, len(frames), every)]
        keys = [stretch[-1] for stretch in stretches]
        pairs, found = _match(self._before, after), None
        if pairs is not None and not self._is_broken(frames):
            assert self.key is not None
            same = _picked(after, pairs)
            found = find_near(self._detector, [self.key, *keys], self._before, same)
        self.key = keys[-1]
        frames.clear()
        if found is None:
            found = self._search(keys[:-1])
        return stretches, [*found, after]

    def _is_broken(self, frames: Sequence[np.ndarray]) -> bool:
        """Whether there is a cut, or an odd frame, in the next frames."""
        first, last = self._number, self._number + len(frames)
        is_cut = bisect_right(self._shots, last) > bisect_right(self._shots, first)
        return is_cut or _changes([self._thumbnail, *map(_thumbnail, frames)])

    def _search(self, frames: list[np.ndarray]) -> list[Faces]:
        parts = _batches(frames, self._batch_size)
        return [each for part in parts for each in self._detector.detect(part)]


def _on_gpu(detector: FaceDetector) -> bool:
    """Whether a detector says that it computes elsewhere than on the CPU."""
    return torch.device(getattr(detector, "device", "cpu")).type != "cpu"


def _key_frames(
    frames: Iterator[np.ndarray], detector: FaceDetector, every: int, n_keys: int, n_threads: int
) -> Generator[tuple[list[list[np.ndarray]], list[Faces]]]:
    """Lists of up to `n_keys` stretches of `every` frames, and the faces of each one's last.

    The caller clears the lists. While faces are looked for on each core, the next frames are drawn.
    """

    def look(stretches: list[list[np.ndarray]]) -> tuple[list[list[np.ndarray]], list[Faces]]:
        return stretches, detector.detect([stretch[-1] for stretch in stretches])

    def copies() -> Iterator[list[list[np.ndarray]]]:
        stretches = list[list[np.ndarray]]()
        for batch in _batches(frames, every):
            stretches.append(batch.copy())
            batch.clear()
            if len(stretches) == n_keys:
                taken, stretches = stretches, []
                yield taken
                del taken
        if stretches:
            yield stretches

    with closing(Cores(n_threads)) as cores:
        yield from cores.map(look, copies())


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


def _picked(faces: Faces, rows: np.ndarray) -> Faces:
    points = None if faces.landmarks is None else faces.landmarks[rows]
    return Faces(faces.boxes[rows], faces.scores[rows], points)


def _blend(before: Faces, after: Faces, pairs: np.ndarray, share: float) -> Faces:
    """Faces on the straight way from `before` (share 0) to `after` (share 1)."""

    def mix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return ((1 - share) * a + share * b[pairs]).astype(np.float32)

    landmarks = None
    if before.landmarks is not None and after.landmarks is not None:
        landmarks = mix(before.landmarks, after.landmarks)
    return Faces(mix(before.boxes, after.boxes), mix(before.scores, after.scores), landmarks)


class Kept:
    """The faces of frames, taken out of the arrays in which they come.

    Small arrays that outlive a frame lie in the gap that the frame leaves in the heap, and the
    next frame no longer fits there: kept as they come, the faces of an hour cost 50 GB. Python's
    own numbers live elsewhere; arrays are made of them when they are asked for.
    """

    def __init__(self) -> None:
        self._numbers: list[tuple[list[float], list[float], list[float] | None]] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, found: Faces) -> None:
        """Keep the faces of the next frame."""
        points = None if found.landmarks is None else found.landmarks.tolist()
        self._numbers.append((found.boxes.tolist(), found.scores.tolist(), points))

    def faces(self) -> list[Faces]:
        """Those of all frames so far."""
        return [
            Faces(
                np.array(boxes, np.float32).reshape(-1, 4),
                np.array(scores, np.float32),
                None if points is None else np.array(points, np.float32).reshape(-1, 5, 2),
            )
            for boxes, scores, points in self._numbers
        ]


def all_faces(faces: Iterable[Faces]) -> list[Faces]:
    """The faces of all frames; see `Kept`."""
    kept = Kept()
    for found in faces:
        kept.add(found)
    return kept.faces()
