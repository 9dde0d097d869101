"""Pass 1 over a source: all faces in it, from the cache where it knows them, and whose is whose."""

from __future__ import annotations

import sys

from w2l.ahead import ahead
from w2l.components import FaceDetector, FacesByIndex, Progress, no_progress
from w2l.faces.search import Detections
from w2l.inference.lipsync import FaceGenerator
from w2l.inference.options import SyncOptions
from w2l.inference.plan import FacePlan, fixed_plan, settle
from w2l.inference.search import detect, key_frames
from w2l.inference.source import Source

AHEAD_BYTES = 32 * 2**20  # of images that wait for a thread
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


def find_all(
    source: Source,
    n_frames: int,
    detector: FaceDetector | None,
    options: SyncOptions,
    progress: Progress = no_progress,
) -> Detections:
    """All faces of the first `n_frames` images, from the cache where it knows them."""
    if detector is None:
        raise ValueError("finding faces needs a detector or options.box")
    faces = options.faces
    cache = None if faces.published else faces.cache
    if cache is not None and (known := cache.load(n_frames)) is not None:
        return known
    by_number = isinstance(detector, FacesByIndex)
    stop = n_frames if by_number else key_frames(n_frames, faces.step)
    total = min(stop, source.n_frames_estimate)
    coming = ahead(source.read(0, stop), look_ahead(source, options))
    found = detect(
        progress(coming, "finding faces", total),
        detector,
        source.fps,
        every=faces.detect_every,
        whole=faces.detect_whole,
        shots=not faces.published,
        stop_at_none=faces.published and faces.missing_face == "error",
    )
    found = found._replace(whole=len(found.faces) < stop)
    if cache is not None:
        cache.store(found)
    return found.first(n_frames)
