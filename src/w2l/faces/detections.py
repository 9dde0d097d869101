"""What looking for faces in a video gives: every face of every frame, and where the shots begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2l.components import Faces
from w2l.faces.search import all_faces


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
