"""The whole job, from files to a file, as two passes of bounded memory.

Pass 1 decodes and detects and keeps boxes only; pass 2 decodes again, generates, blends, encodes.
Decoding, generating and encoding each have a thread of their own, a few images apart.
Decoding twice costs a few per cent of the generator's time, and buys that what decides on a frame
is known before it is written (gaps, who is who, smoothing over frames to come), that a video
without a face fails before hours of generating, and that memory does not grow with the length.
Where one face is there alone, pass 1 goes on between the batches of pass 2
(`w2l.inference.coming`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import numpy as np

from w2l.ahead import ahead, behind
from w2l.components import FaceDetector, Progress, no_progress
from w2l.errors import UserError
from w2l.inference.coming import AnyPlan
from w2l.inference.finding import batch_size, begun_plan, look_ahead, plan_faces
from w2l.inference.geometry import Geometry
from w2l.inference.layout import Layout
from w2l.inference.lips import Role, synced
from w2l.inference.lipsync import FaceGenerator
from w2l.inference.mouths import Mouths
from w2l.inference.options import SyncOptions
from w2l.inference.plan import FacePlan
from w2l.inference.provenance import CheckpointId, Computed, provenance
from w2l.inference.report import SyncReport
from w2l.inference.similarity import faces_at_25_fps
from w2l.inference.source import Source, SourceFrame, StillSource, images, open_source
from w2l.inference.voice import Voice, fitted_track, mel_windows
from w2l.memory import give_back
from w2l.scoring import CosineResult, SyncScorer
from w2l.video import AudioTrack, PngWriter, VideoWriter

JUDGED_S = 60  # seconds of a result


def sync_video(
    source: Source,
    voice: Voice,
    outfile: str | Path,
    lipsync: FaceGenerator,
    detector: FaceDetector | None,
    options: SyncOptions,
    *,
    scorer: SyncScorer | None = None,
    judge: SyncScorer | None = None,
    checkpoint: CheckpointId | None = None,
    progress: Progress = no_progress,
) -> SyncReport:
    """Write `source` saying `voice` to `outfile`, which appears whole or not at all.

    Args:
        source: the given video or photo.
        voice: the new sound.
        outfile: video file to write, or folder of images.
        lipsync: the generator.
        detector: finds faces; not needed with a fixed box.
        options: how.
        scorer: with an expert, to measure how well the given video fits the new sound.
        judge: with an expert, to measure how well the result does.
        checkpoint: which generator it is, for the file's tags.
        progress: shows how far each stage is.

    Raises:
        UserError: no face, a box beyond the image, an unwritable output, …
    """
    options = options.with_pads(lipsync.pads)
    layout = Layout((source.width, source.height), options.output)
    windows = mel_windows(source, voice, options, lipsync.lead_frames)
    track = fitted_track(voice, len(windows), source, options.duration)
    writer = open_writer(outfile, source, track, layout.size, options, checkpoint, lipsync.computed)
    report = SyncReport(Path(outfile), source.fps, notes=voice.notes, computed=lipsync.computed)
    with ExitStack() as stack:
        searched = source, len(windows), detector, options, progress
        plan: AnyPlan
        if scorer is None:
            plan = stack.enter_context(begun_plan(*searched))
        else:
            plan = plan_faces(*searched)
            report.cosine = compare(source, plan, voice, len(windows), scorer, progress)
        role = Role(plan, windows, Mouths())
        perform(source, [role], writer, layout, lipsync, options, [report], progress)
        plan = plan.whole()
    as_it_is = options.output.view == "result" and layout.size == (source.width, source.height)
    if judge is not None and as_it_is:
        report.judged = judged(report, source, plan, voice, judge)
    return report


def judged(
    report: SyncReport, source: Source, plan: FacePlan, voice: Voice, judge: SyncScorer
) -> CosineResult | None:
    """How well the lips that were written fit the sound, in the first minute at most.

    Where a video goes on from its beginning the boxes do not: that part is not looked at.
    """
    still = isinstance(source, StillSource)
    n = min(report.n_frames, int(JUDGED_S * source.fps))
    n = n if still else min(n, plan.start + len(plan.boxes))
    written = open_source(report.outfile, Geometry(), still_fps=source.fps, fps=source.fps)
    crops = faces_at_25_fps(written.read(0, n), partial(_box, plan, still), source.fps)
    try:
        return judge.cosine(crops, voice.waveform)
    except UserError:  # too short, or hardly a face
        return None


def _box(plan: FacePlan, still: bool, frame: int) -> np.ndarray | None:
    return plan.box(0 if still else frame)


def perform(
    source: Source,
    roles: Sequence[Role],
    writer: VideoWriter | PngWriter,
    layout: Layout,
    lipsync: FaceGenerator,
    options: SyncOptions,
    reports: Sequence[SyncReport],
    progress: Progress = no_progress,
) -> None:
    """Pass 2: write the result, and count in each role's report what became of it.

    Reading, syncing and encoding each have a thread of their own.
    """
    give_back()  # the first pass's images
    n_frames, size = len(roles[0].windows), look_ahead(source, options)
    shown: Iterator[SourceFrame] = ahead(images(source, n_frames, options.extend), size)
    batch = batch_size(source, options, lipsync)
    for role in roles:
        shown = synced(shown, role, lipsync, options, batch)
    written = behind(shown, lambda image: writer.write(layout(image)), size)
    with writer, closing(written):  # its thread ends before the file is closed under it
        for i, image in enumerate(progress(written, "syncing", n_frames)):
            for role, report in zip(roles, reports, strict=True):
                closed = role.windows.activity.is_closed(i)
                report.count(role.reason(i, image.number), closed=closed)
    for role, report in zip(roles, reports, strict=True):
        report.notes += role.mouths.notes()


def open_writer(
    outfile: str | Path,
    source: Source,
    track: AudioTrack,
    size: tuple[int, int],
    options: SyncOptions,
    checkpoint: CheckpointId | None = None,
    computed: Computed | None = None,
) -> VideoWriter | PngWriter:
    """What takes the images, (width, height) = `size`; nothing is on the disk yet.

    Raises:
        UserError: the codec has no encoder here, or does not fit the output's name.
    """
    restored = None if options.restoration is None else options.restoration.about
    tags = provenance(options.quality, checkpoint, restored, computed)
    return make_writer(outfile, source, track, size, options, tags)


def make_writer(
    outfile: str | Path,
    source: Source,
    track: AudioTrack | None,
    size: tuple[int, int],
    options: SyncOptions,
    tags: dict[str, str],
) -> VideoWriter | PngWriter:
    """As `open_writer`, with any sound and tags."""
    codec = options.output.codec
    if codec == "png":
        return PngWriter(outfile, source.fps, size, track, tags)
    look = None if options.published else source.look
    return VideoWriter(outfile, source.fps, size, track, codec=codec, metadata=tags, look=look)


def compare(
    source: Source,
    plan: FacePlan,
    voice: Voice,
    n_frames: int,
    scorer: SyncScorer,
    progress: Progress = no_progress,
) -> CosineResult:
    """How well the given video, as it came, fits the new sound."""
    total = min(n_frames, source.n_frames_estimate)
    frames = progress(source.read(0, n_frames), "comparing", total)
    return scorer.cosine(faces_at_25_fps(frames, plan.box, source.fps), voice.waveform)
