"""Pass 1 over a source: all faces in it, from the cache where it knows them, and whose is whose."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import chain

import numpy as np

from w2l.ahead import ahead
from w2l.components import FaceDetector, Faces, FacesByIndex, Progress, no_progress
from w2l.faces.search import Detections, Kept
from w2l.inference.coming import AnyPlan, ComingPlan, can_begin
from w2l.inference.lipsync import FaceGenerator
from w2l.inference.options import SyncOptions
from w2l.inference.plan import FacePlan, fixed_plan, settle
from w2l.inference.search import detecting, key_frames
from w2l.inference.source import Source

AHEAD_BYTES = 32 * 2**20  # of images that wait for a thread
FEW = 2  # that wait for a search which goes on beside generating
BATCH_BYTES = 48 * 2**20  # of images whose faces are generated together


def look_ahead(source: Source, options: SyncOptions) -> int:
    """How many images a thread may be ahead of the next one."""
    return max(1, min(options.batch_size, AHEAD_BYTES // (source.height * source.width * 3)))


def batch_size(source: Source, options: SyncOptions, lipsync: FaceGenerator) -> int:
    """How many images' faces are generated together: no more than go through at once."""
    return batch_of(source.height, source.width, options, lipsync)


def batch_of(height: int, width: int, options: SyncOptions, lipsync: FaceGenerator) -> int:
    """The same, by the size of the images."""
    most = min(options.batch_size, lipsync.at_once or sys.maxsize)
    return max(1, min(most, BATCH_BYTES // (height * width * 3)))


def plan_faces(
    source: Source,
    n_frames: int,
    detector: FaceDetector | None,
    options: SyncOptions,
    progress: Progress = no_progress,
) -> FacePlan:
    """Pass 1: the box of each of the first `n_frames` images, or of all where they are fewer."""
    if options.box is not None:
        return fixed_plan(options.box, n_frames, source.height, source.width)
    found = find_all(source, n_frames, detector, options, progress)
    size = (source.height, source.width)
    return settle(found, options.faces, size, source.path, source.fps)


@contextmanager
def begun_plan(
    source: Source,
    n_frames: int,
    detector: FaceDetector | None,
    options: SyncOptions,
    progress: Progress = no_progress,
) -> Iterator[AnyPlan]:
    """The same boxes, looked for as they are asked for where those to come do not change them.

    `progress` is shown how far the search is up to the first box, or the end where all is needed.
    """
    cache = options.faces.cache
    known = cache is not None and cache.load(n_frames) is not None
    if options.box is not None or known or not can_begin(options.faces):
        yield plan_faces(source, n_frames, detector, options, progress)
        return
    with closing(FaceSearch(source, n_frames, detector, options, progress, begun=True)) as search:
        size = (source.height, source.width)
        plan = ComingPlan(
            search, lambda found: settle(found, options.faces, size, source.path, source.fps)
        )
        plan.box(0)
        search.show_no_more()
        yield plan


def find_all(
    source: Source,
    n_frames: int,
    detector: FaceDetector | None,
    options: SyncOptions,
    progress: Progress = no_progress,
) -> Detections:
    """All faces of the first `n_frames` images, from the cache where it knows them."""
    faces = options.faces
    cache = None if faces.published else faces.cache
    if cache is not None and (known := cache.load(n_frames)) is not None:
        return known
    with closing(FaceSearch(source, n_frames, detector, options, progress)) as search:
        return search.all()


class FaceSearch:
    """Looks for the faces of a source's first `n_frames` images, as far as is asked.

    Args:
        source, n_frames, detector, options, progress: as for `plan_faces`.
        begun: it goes on beside what takes memory: few images wait for it.

    Attributes:
        n_frames: wanted.
        kept: faces of each image so far, maybe of more than are wanted.
        shots: first image of each shot so far, and maybe of later ones.
        is_over: whether all were searched.
    """

    def __init__(
        self,
        source: Source,
        n_frames: int,
        detector: FaceDetector | None,
        options: SyncOptions,
        progress: Progress = no_progress,
        *,
        begun: bool = False,
    ) -> None:
        if detector is None:
            raise ValueError("finding faces needs a detector or options.box")
        faces = options.faces
        self.n_frames, self.kept, self.is_over = n_frames, Kept(), False
        self._cache = None if faces.published else faces.cache
        self._ends_at_none = faces.published and faces.missing_face == "error"
        by_number = isinstance(detector, FacesByIndex)
        self._stop = n_frames if by_number else key_frames(n_frames, faces.step)
        total = min(self._stop, source.n_frames_estimate)
        size = look_ahead(source, options)
        self._frames = ahead(source.read(0, self._stop), min(size, FEW) if begun else size)
        self._is_shown = True
        self._shown = iter(progress(self._while_shown(), "finding faces", total))
        self._coming, self.shots = detecting(
            chain(self._shown, self._frames),
            detector,
            source.fps,
            every=faces.detect_every,
            whole=faces.detect_whole,
            shots=not faces.published,
        )

    def next(self) -> Faces | None:
        """The faces of the next image; None: there is no more."""
        found = None if self.is_over else next(self._coming, None)
        if found is None:
            self._finish()
            return None
        self.kept.add(found)
        if self._ends_at_none and not len(found.boxes):
            self._finish()
        return found

    def so_far(self) -> Detections:
        """What was found, of no more images than are wanted."""
        return self._found().first(self.n_frames)

    def all(self) -> Detections:
        """What is found in all of them."""
        while self.next() is not None:
            pass
        return self.so_far()

    def show_no_more(self) -> None:
        """End the stage that progress is shown of; the search may go on, in another thread."""
        self._is_shown = False
        for _ in self._shown:
            pass

    def close(self) -> None:
        """End the search where it is."""
        for each in (self._coming, self._shown, self._frames):
            if isinstance(each, Generator):
                each.close()

    def _while_shown(self) -> Iterator[np.ndarray]:
        for frame in self._frames:
            yield frame
            del frame  # or it is held until the next one is there
            if not self._is_shown:
                return

    def _finish(self) -> None:
        if not self.is_over:
            self.is_over = True
            if self._cache is not None:
                self._cache.store(self._found())

    def _found(self) -> Detections:
        n = len(self.kept)
        shots = [start for start in self.shots if start < n]
        return Detections(self.kept.faces(), shots, whole=self.is_over and n < self._stop)
