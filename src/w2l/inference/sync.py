"""The whole job, from files to a file, as two passes of bounded memory.

Pass 1 decodes and detects and keeps boxes only; pass 2 decodes again, generates, blends, encodes.
Decoding, generating and encoding each have a thread of their own, a few pictures apart.
Decoding twice costs a few per cent of the generator's time, and buys that all is known before
the first frame is written (gaps, who is who, smoothing over frames to come), that a video without a
face fails before hours of generating, and that memory does not grow with the length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np

from w2l.ahead import ahead, behind
from w2l.boxes import crop
from w2l.errors import UserError
from w2l.faces import FaceDetector
from w2l.faces.detections import Detections
from w2l.faces.detector import FacesByIndex
from w2l.inference.blending import Quality, blend, coverage, paste
from w2l.inference.layout import Layout, OutputOptions
from w2l.inference.lipsync import LipSync
from w2l.inference.plan import FaceOptions, FacePlan, fixed_plan, settle
from w2l.inference.provenance import CheckpointId, provenance
from w2l.inference.report import SyncReport
from w2l.inference.search import detect, key_frames
from w2l.inference.silence import Silence
from w2l.inference.similarity import faces_at_25_fps
from w2l.inference.source import Picture, Source, pictures
from w2l.inference.timeline import Duration, Extend, MelWindows
from w2l.inference.voice import Voice, fitted_track, mel_windows
from w2l.scoring import CosineResult, SyncScorer
from w2l.video import AudioTrack, PngWriter, VideoWriter

T = TypeVar("T")

AHEAD_BYTES = 64 * 2**20  # of pictures that each thread holds at once


class Progress(Protocol):
    """Wraps a stage's frames, to show how far it is."""

    def __call__(self, frames: Iterable[T], stage: str, total: int) -> Iterable[T]:
        """Yield `frames` unchanged; `total` is how many are expected."""
        ...


def silent(frames: Iterable[T], stage: str, total: int) -> Iterable[T]:
    """No progress shown."""
    return frames


@dataclass(frozen=True)
class SyncOptions:
    """How a video is synced.

    Attributes:
        faces: how faces are found and followed.
        box: fixed box (left, top, right, bottom) instead of a detector.
        duration: what the result lasts as long as: "audio", "video", or the "shortest" of them.
        extend: how a video shorter than the sound goes on.
        silence: what lips do where no voice is active: "sync" follows all sound, "close" closes
            them, "pass" leaves them to the source; both need `Voice.speech`.
        quality: "improved" changes the mouth through a feathered mask, "fast" pastes the box.
        output: what is written.
        batch_size: faces that go through the generator at once.
        published: frame count and mel windows of the release (the sound's last 0.1 s get no
            frame) instead of frames for all of the sound.
    """

    faces: FaceOptions = field(default_factory=FaceOptions)
    box: np.ndarray | None = None
    duration: Duration = "audio"
    extend: Extend = "pingpong"
    silence: Silence = "sync"
    quality: Quality = "improved"
    output: OutputOptions = field(default_factory=OutputOptions)
    batch_size: int = 16
    published: bool = False

    def __post_init__(self) -> None:
        if self.published and self.duration != "audio":
            raise UserError(
                "published=true counts frames as the release does: leave out "
                f"duration={self.duration}."
            )


def sync_video(
    source: Source,
    voice: Voice,
    outfile: str | Path,
    lipsync: LipSync,
    detector: FaceDetector | None,
    options: SyncOptions,
    *,
    scorer: SyncScorer | None = None,
    checkpoint: CheckpointId | None = None,
    progress: Progress = silent,
) -> SyncReport:
    """Write `source` saying `voice` to `outfile`, which appears whole or not at all.

    Args:
        source: the given video or photo.
        voice: the new sound.
        outfile: video file to write, or folder of pictures.
        lipsync: the generator.
        detector: finds faces; not needed with a fixed box.
        options: how.
        scorer: with an expert, to measure how well the given video fits the new sound.
        checkpoint: which generator it is, for the file's tags.
        progress: shows how far each stage is.

    Raises:
        UserError: no face, a box beyond the picture, an unwritable output, …
    """
    layout = Layout((source.width, source.height), options.output)
    windows = mel_windows(source, voice, options, lipsync.lead_frames)
    track = fitted_track(voice, len(windows), source, options.duration)
    writer = open_writer(outfile, source, track, layout.size, options, checkpoint)
    plan = plan_faces(source, len(windows), detector, options, progress)
    report = SyncReport(Path(outfile), source.fps)
    if scorer is not None:
        report.cosine = compare(source, plan, voice, len(windows), scorer, progress)
    role = Role(plan, windows)
    perform(source, [role], writer, layout, lipsync, options, [report], progress)
    return report


class Role(NamedTuple):
    """A person of the video, and what it says in each frame of the result."""

    plan: FacePlan
    windows: MelWindows

    def reason(self, index: int, number: int) -> str | None:
        """Why output frame `index`, source frame `number`, is left untouched; None: it is not."""
        return self.plan.reasons.get(number) or self.windows.activity.reasons.get(index)


def perform(
    source: Source,
    roles: Sequence[Role],
    writer: VideoWriter | PngWriter,
    layout: Layout,
    lipsync: LipSync,
    options: SyncOptions,
    reports: Sequence[SyncReport],
    progress: Progress = silent,
) -> None:
    """Pass 2: write the result, and count in each role's report what became of it.

    Reading, syncing and encoding each have a thread of their own.
    """
    n_frames, size = len(roles[0].windows), look_ahead(source, options)
    shown: Iterator[Picture] = ahead(pictures(source, n_frames, options.extend), size)
    for role in roles:
        shown = synced(shown, role, lipsync, options, size)
    with writer:
        written = behind(shown, lambda picture: writer.write(layout(picture)), size)
        for i, picture in enumerate(progress(written, "syncing", n_frames)):
            for role, report in zip(roles, reports, strict=True):
                closed = role.windows.activity.is_closed(i)
                report.count(role.reason(i, picture.number), closed=closed)


def look_ahead(source: Source, options: SyncOptions) -> int:
    """How many pictures each thread may be ahead: a batch, or what `AHEAD_BYTES` hold."""
    room = AHEAD_BYTES // (source.height * source.width * 3)
    return max(1, min(options.batch_size, room))


def open_writer(
    outfile: str | Path,
    source: Source,
    track: AudioTrack,
    size: tuple[int, int],
    options: SyncOptions,
    checkpoint: CheckpointId | None = None,
) -> VideoWriter | PngWriter:
    """What takes the pictures, (width, height) = `size`; nothing is on the disk yet.

    Raises:
        UserError: the codec has no encoder here, or does not fit the output's name.
    """
    tags = provenance(options.quality, checkpoint)
    codec = options.output.codec
    if codec == "png":
        return PngWriter(outfile, source.fps, size, track, tags)
    look = None if options.published else source.look
    return VideoWriter(outfile, source.fps, size, track, codec=codec, metadata=tags, look=look)


def plan_faces(
    source: Source,
    n_frames: int,
    detector: FaceDetector | None,
    options: SyncOptions,
    progress: Progress = silent,
) -> FacePlan:
    """Pass 1: the box of each of the first `n_frames` pictures, or of all where they are fewer."""
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
    progress: Progress = silent,
) -> Detections:
    """All faces of the first `n_frames` pictures, from the cache where it knows them."""
    if detector is None:
        raise ValueError("finding faces needs a detector or options.box")
    faces = options.faces
    cache = None if faces.published else faces.cache
    if cache is not None and (known := cache.load(n_frames)) is not None:
        return known
    by_number = isinstance(detector, FacesByIndex)
    stop = n_frames if by_number else key_frames(n_frames, faces.detect_every)
    total = min(stop, source.n_frames_estimate)
    coming = ahead(source.read(0, stop), look_ahead(source, options))
    found = detect(
        progress(coming, "finding faces", total),
        detector,
        source.fps,
        every=faces.detect_every,
        shots=not faces.published,
        stop_at_none=faces.published and faces.missing_face == "error",
    )
    found = found._replace(whole=len(found.faces) < stop)
    if cache is not None:
        cache.store(found)
    return found.first(n_frames)


def compare(
    source: Source,
    plan: FacePlan,
    voice: Voice,
    n_frames: int,
    scorer: SyncScorer,
    progress: Progress = silent,
) -> CosineResult:
    """How well the given video, as it came, fits the new sound."""
    total = min(n_frames, source.n_frames_estimate)
    frames = progress(source.read(0, n_frames), "comparing", total)
    return scorer.cosine(faces_at_25_fps(frames, plan, source.fps), voice.waveform)


def synced(
    shown: Iterable[Picture], role: Role, lipsync: LipSync, options: SyncOptions, size: int
) -> Iterator[Picture]:
    """The output's pictures in order, one person of them saying its voice, `size` at a time."""
    numbered = enumerate(shown)
    while batch := list(islice(numbered, size)):
        heard = [hear(i, picture, role.windows) for i, picture in batch]
        batch.clear()
        lips = deque(put_lips(heard, role.plan, lipsync, options))
        heard.clear()
        while lips:  # popped, so that each is freed when it has been written
            yield lips.popleft()


class Heard(NamedTuple):
    """A picture, and what it is to say."""

    picture: Picture  # changed in place
    mel: np.ndarray  # float32 (80, 16)
    strength: float  # share of the generated mouth, in [0, 1]


def hear(index: int, picture: Picture, windows: MelWindows) -> Heard:
    """What output frame `index` says, and how much of it is seen."""
    return Heard(picture, windows[index], float(windows.activity.strength[index]))


def put_lips(
    batch: Sequence[Heard],
    plan: FacePlan,
    lipsync: LipSync,
    options: SyncOptions,
) -> list[Picture]:
    """Pictures that say what they hear, those without a face as they are.

    Args:
        batch: pictures with what they say; those of strength 0 stay as they are too.
        plan, lipsync, options: as for `sync_video`.
    """
    shown = [heard.picture for heard in batch]
    if options.output.view == "side_by_side":
        shown = [p if p.given is not None else p._replace(given=p.frame.copy()) for p in shown]
    strengths = [heard.strength * plan.strength(heard.picture.number) for heard in batch]
    boxes: dict[int, np.ndarray] = {}
    for i, picture in enumerate(shown):
        box = plan.box(picture.number)
        if box is not None and strengths[i] > 0:
            boxes[i] = box
    if not boxes:
        return shown
    size = (lipsync.image_size, lipsync.image_size)
    crops = [cv2.resize(crop(shown[i].frame, box), size) for i, box in boxes.items()]
    faces = lipsync(crops, [batch[i].mel for i in boxes])
    put_back = paste if options.quality == "fast" else blend
    for (i, box), face in zip(boxes.items(), faces, strict=True):
        put_back(shown[i].frame, box, face, strengths[i])
        left, top, right, bottom = (int(v) for v in box)
        mask = strengths[i] * coverage(bottom - top, right - left, options.quality)
        shown[i] = shown[i]._replace(marks=(*shown[i].marks, (box, mask)))
    return shown
