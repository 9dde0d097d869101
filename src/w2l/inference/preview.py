"""One image of the result, at the price of one: no more is decoded or searched than it needs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from w2l.components import FaceDetector, Faces, FacesByIndex, Progress, no_progress
from w2l.errors import UserError
from w2l.inference.fade import REACH
from w2l.inference.finding import plan_faces
from w2l.inference.layout import Layout
from w2l.inference.lips import hear, put_lips
from w2l.inference.lipsync import FaceGenerator
from w2l.inference.options import SyncOptions
from w2l.inference.plan import MAX_GAP, NO_FACE, FacePlan, NoFaceError, find_faces, fixed_plan
from w2l.inference.report import clock
from w2l.inference.source import TAIL, Source, SourceFrame, count
from w2l.inference.timeline import Extend, runs
from w2l.inference.voice import Voice, mel_windows

# Frames on either side that have a say in an image: fading reaches further than smoothing.
NEAR = MAX_GAP + REACH
SPARE_S = 1.0  # of sound beyond the moment, which is more than its mel window reaches


@dataclass(frozen=True)
class Preview:
    """One image of the result.

    Attributes:
        frame: as it would be written, uint8 (height, width, 3) BGR.
        index: its number in the result.
        number: of the source's image that it shows.
        reason: why it is left untouched; None where it is synced.
    """

    frame: np.ndarray
    index: int
    number: int
    reason: str | None


def make_preview(
    source: Source,
    voice: Voice,
    at_s: float,
    lipsync: FaceGenerator,
    detector: FaceDetector | None,
    options: SyncOptions,
    *,
    progress: Progress = no_progress,
) -> Preview:
    """The image that the result shows `at_s` seconds after its start.

    Faces are looked for in the frames around it alone, so where several people take turns, or one
    is out of sight for long, the whole video may decide otherwise.

    Args:
        source: the given video, at a constant rate, or photo.
        voice: the new sound, its first `at_s + SPARE_S` seconds at least, or all of it.
        at_s: seconds, 0 or more.
        lipsync, detector, options: as for `sync_video`.
        progress: shows how far the search is, where the choice of person takes the whole video.

    Raises:
        UserError: the result is over before, or what `sync_video` would raise at this image.
    """
    options = options.with_pads(lipsync.pads)
    layout = Layout((source.width, source.height), options.output)
    windows = mel_windows(source, voice, options, lipsync.lead_frames)
    # As typed: the float nearest to 0.12 lies a little before frame 3 of 25 a second.
    index = int(Fraction(at_s).limit_denominator(1_000_000) * source.fps)
    if index >= len(windows):
        raise UserError(
            f"preview={at_s:g} lies beyond the result, which lasts "
            f"{float(len(windows) / source.fps):.2f} s: choose an earlier moment."
        )
    image = shown_at(index, source, options.extend)
    number = image.number
    plan = plan_near(number, source, detector, options, progress)
    restoration = None if options.restoration is None else options.restoration.fresh()
    heard = [hear(index, image, windows)]
    (image,) = put_lips(heard, plan, lipsync, options, restoration)
    reason = plan.reason(number) or windows.activity.reasons.get(index)
    return Preview(layout(image), index, number, reason)


def shown_at(index: int, source: Source, extend: Extend) -> SourceFrame:
    """The source's image that is shown as number `index` of the result."""
    if index < source.n_frames_estimate - TAIL:
        for frame in source.read(index, index + 1):  # none where the container promised too many
            return SourceFrame(index, frame)
    *_, run = runs(index + 1, count(source), extend)
    number = run.start + run.step * (run.length - 1)
    return SourceFrame(number, next(source.read(number, number + 1)))


def plan_near(
    number: int,
    source: Source,
    detector: FaceDetector | None,
    options: SyncOptions,
    progress: Progress = no_progress,
) -> FacePlan:
    """Where the face is in image `number`, by those around it.

    The first and the last of them are key frames of the whole video's search too, so that the
    same frames are searched.
    """
    if options.box is not None:
        return fixed_plan(options.box, number + 1, source.height, source.width)
    if detector is None:
        raise ValueError("plan_near needs a detector or options.box")
    if options.faces.chooser is not None:  # who is who, only the whole video tells
        return plan_faces(source, sys.maxsize, detector, options, progress)
    step = options.faces.step
    start = max(0, number - NEAR) // step * step
    stop = -(-(number + NEAR) // step) * step + 1
    faces: FaceDetector | FacesByIndex = detector
    if isinstance(detector, FacesByIndex):
        faces = _From(detector, start)
    size = (source.height, source.width)
    frames = source.read(start, stop)
    try:
        return find_faces(frames, faces, options.faces, size, source.path, source.fps, start)
    except NoFaceError as error:
        if options.faces.missing_face != "error":
            return FacePlan(np.zeros((1, 4), np.int32), {number: NO_FACE}, number)
        begin, end = clock(start / source.fps), clock(stop / source.fps)
        raise UserError(
            f"No face was found in {source.path} from {begin} to {end}: "
            "choose another moment, or box=[top,bottom,left,right] says where it is."
        ) from error


class _From:
    """Faces by frame number, where the first frame that is passed on is number `start`."""

    def __init__(self, faces: FacesByIndex, start: int) -> None:
        self._faces, self._start = faces, start

    def at(self, index: int) -> Faces:
        return self._faces.at(self._start + index)
