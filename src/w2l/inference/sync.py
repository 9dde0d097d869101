"""The whole job, from files to a file, as two passes of bounded memory.

Pass 1 decodes and detects and keeps boxes only; pass 2 decodes again, generates, blends, encodes.
Decoding twice costs a few per cent of the generator's time, and buys that all is known before
the first frame is written (gaps, who is who, smoothing over frames to come), that a video without a
face fails before hours of generating, and that memory does not grow with the length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np

from w2l.audio import SAMPLE_RATE
from w2l.audio.mel import N_FFT, log_mel
from w2l.audio.waveform import load_audio
from w2l.boxes import crop
from w2l.errors import UserError
from w2l.faces import FaceDetector
from w2l.inference.blending import Quality, blend, paste
from w2l.inference.layout import Layout, OutputOptions
from w2l.inference.lipsync import FaceGenerator
from w2l.inference.plan import FaceOptions, FacePlan, find_faces, fixed_plan
from w2l.inference.provenance import CheckpointId, provenance
from w2l.inference.report import SyncReport
from w2l.inference.similarity import faces_at_25_fps
from w2l.inference.source import Picture, Source, pictures
from w2l.inference.timeline import Extend, MelWindows, frame_count
from w2l.scoring import CosineResult, SyncScorer
from w2l.video import AudioTrack, PngWriter, VideoWriter

T = TypeVar("T")


class Progress(Protocol):
    """Wraps a stage's frames, to show how far it is."""

    def __call__(self, frames: Iterable[T], stage: str, total: int) -> Iterable[T]:
        """Yield `frames` unchanged; `total` is how many are expected."""
        ...


def silent(frames: Iterable[T], stage: str, total: int) -> Iterable[T]:
    """No progress shown."""
    return frames


@dataclass(frozen=True)
class Voice:
    """The new sound: as the generator hears it, and as it goes into the file."""

    waveform: np.ndarray  # float32 (n,), 16 kHz mono
    mel: np.ndarray  # float32 (80, 1 + n // 200)
    track: AudioTrack


def load_voice(path: str | Path, start_s: float = 0.0, end_s: float | None = None) -> Voice:
    """Decode the sound of any media file, from `start_s` to `end_s` seconds.

    Raises:
        UserError: missing, no sound in it, or too short.
    """
    waveform = load_audio(path, start_s=start_s, end_s=end_s)
    if len(waveform) <= N_FFT // 2:
        raise UserError(
            f"{path}: {len(waveform) / SAMPLE_RATE:.3f} s of sound are too short to sync: "
            "it takes more than 0.025 s."
        )
    return Voice(waveform, log_mel(waveform), AudioTrack(path, start_s, end_s))


@dataclass(frozen=True)
class SyncOptions:
    """How a video is synced.

    Attributes:
        faces: how faces are found and followed.
        box: fixed box (left, top, right, bottom) instead of a detector.
        extend: how a video shorter than the sound goes on.
        quality: "improved" changes the mouth through a feathered mask, "fast" pastes the box.
        output: what is written.
        batch_size: faces that go through the generator at once.
        published: frame count and mel windows of the release (the sound's last 0.1 s get no
            frame) instead of frames for all of the sound.
    """

    faces: FaceOptions = field(default_factory=FaceOptions)
    box: np.ndarray | None = None
    extend: Extend = "pingpong"
    quality: Quality = "improved"
    output: OutputOptions = field(default_factory=OutputOptions)
    batch_size: int = 16
    published: bool = False


def sync_video(
    source: Source,
    voice: Voice,
    outfile: str | Path,
    lipsync: FaceGenerator,
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
    layout = Layout((source.width, source.height), options.output, options.quality)
    writer = open_writer(outfile, source, voice, layout.size, options, checkpoint)
    windows = mel_windows(source, voice, options, lipsync.lead_frames)
    plan = plan_faces(source, len(windows), detector, options, progress)
    report = SyncReport(Path(outfile), source.fps)
    if scorer is not None:
        report.cosine = compare(source, plan, voice, len(windows), scorer, progress)
    with writer:
        for picture in progress(
            synced(source, plan, windows, lipsync, options), "syncing", len(windows)
        ):
            writer.write(layout(picture, plan.box(picture.number)))
            report.count(plan.reasons.get(picture.number))
    return report


def open_writer(
    outfile: str | Path,
    source: Source,
    voice: Voice,
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
        return PngWriter(outfile, source.fps, size, voice.track, tags)
    look = None if options.published else source.look
    return VideoWriter(
        outfile, source.fps, size, voice.track, codec=codec, metadata=tags, look=look
    )


def mel_windows(
    source: Source, voice: Voice, options: SyncOptions, lead_frames: int = 0
) -> MelWindows:
    """One mel window per output frame, `lead_frames` early where the generator learned that."""
    if options.published:
        return MelWindows(voice.mel, source.fps)
    n_frames = frame_count(len(voice.waveform), SAMPLE_RATE, source.fps)
    return MelWindows(voice.mel, source.fps, n_frames, lead_frames)


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
    if detector is None:
        raise ValueError("plan_faces needs a detector or options.box")
    total = min(n_frames, source.n_frames_estimate)
    frames = progress(source.read(0, n_frames), "finding faces", total)
    size = (source.height, source.width)
    return find_faces(frames, detector, options.faces, size, source.path, source.fps)


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
    source: Source,
    plan: FacePlan,
    windows: MelWindows,
    lipsync: FaceGenerator,
    options: SyncOptions,
) -> Iterator[Picture]:
    """Pass 2: the output's pictures in order, `batch_size` of them in memory at a time."""
    shown = enumerate(pictures(source, len(windows), options.extend))
    while batch := list(islice(shown, options.batch_size)):
        heard = [(picture, windows[i]) for i, picture in batch]
        yield from put_lips(heard, plan, lipsync, options)


def put_lips(
    batch: Sequence[tuple[Picture, np.ndarray]],
    plan: FacePlan,
    lipsync: FaceGenerator,
    options: SyncOptions,
) -> list[Picture]:
    """Pictures that say what they hear, those without a face as they are.

    Args:
        batch: pictures, changed in place, each with its mel window, float32 (80, 16).
        plan, lipsync, options: as for `sync_video`.
    """
    shown = [picture for picture, _ in batch]
    if options.output.view == "side_by_side":
        shown = [picture._replace(given=picture.frame.copy()) for picture in shown]
    found = [(p.frame, box, mel) for p, mel in batch if (box := plan.box(p.number)) is not None]
    if found:
        size = (lipsync.image_size, lipsync.image_size)
        crops = [cv2.resize(crop(frame, box), size) for frame, box, _ in found]
        put_back = paste if options.quality == "fast" else blend
        for (frame, box, _), face in zip(
            found, lipsync(crops, [mel for _, _, mel in found]), strict=True
        ):
            put_back(frame, box, face)
    return shown
