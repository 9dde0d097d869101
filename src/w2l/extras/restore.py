"""Restoring the faces of a finished video: its images, its sound, no new speech."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from w2l.ahead import ahead, behind
from w2l.components import FaceDetector, Progress, no_progress
from w2l.errors import UserError
from w2l.inference.enhance import FaceRestoration
from w2l.inference.finding import look_ahead, plan_faces
from w2l.inference.folder import FolderSource
from w2l.inference.layout import Layout
from w2l.inference.lips import find_face, marked
from w2l.inference.options import SyncOptions
from w2l.inference.plan import FacePlan
from w2l.inference.provenance import restored_tags
from w2l.inference.report import SyncReport
from w2l.inference.source import Source, SourceFrame, StillSource, VideoSource
from w2l.inference.sync import make_writer
from w2l.video import AudioTrack, probe, read_about

ALL = 10**9  # images: more than any video has


def restore_video(
    source: Source,
    outfile: str | Path,
    detector: FaceDetector | None,
    options: SyncOptions,
    *,
    sound: AudioTrack | None = None,
    progress: Progress = no_progress,
) -> SyncReport:
    """Write `source` with restored faces to `outfile`, which appears whole or not at all.

    Args:
        source: the finished video.
        outfile: video file to write, or folder of images.
        detector: finds faces; not needed with a fixed box.
        options: how, with quality "enhanced" and its restoration; how a voice is used plays no
            part.
        sound: to be written beside it; None: none.
        progress: shows how far each stage is.

    Raises:
        UserError: a photo, no face, an unwritable output, …
    """
    if isinstance(source, StillSource):
        raise UserError(f"mode=restore takes a video, and {source.path} is an image.")
    assert options.restoration is not None
    layout = Layout((source.width, source.height), options.output)
    restoration = options.restoration.fresh()
    about, generates = restoration.about, restoration.restorer.generates
    tags = restored_tags(about, generates, earlier_tags(source))
    writer = make_writer(outfile, source, sound, layout.size, options, tags)
    plan = plan_faces(source, ALL, detector, options, progress)
    report, size = SyncReport(Path(outfile), source.fps), look_ahead(source, options)
    shown = restored(ahead(source.read(0, ALL), size), plan, options, restoration, size)
    written = behind(shown, lambda image: writer.write(layout(image)), size)
    with writer, closing(written):  # its thread ends before the file is closed under it
        for image in progress(written, "restoring", source.n_frames_estimate):
            report.count(plan.reason(image.number))
    return report


def earlier_tags(source: Source) -> Mapping[str, str]:
    """What a finished video says of itself; nothing where it is no file and no folder of ours."""
    if isinstance(source, FolderSource):
        return read_about(source.path)
    return probe(source.path).tags if isinstance(source, VideoSource) else {}


def restored(
    frames: Iterable[np.ndarray],
    plan: FacePlan,
    options: SyncOptions,
    restoration: FaceRestoration,
    size: int,
) -> Iterator[SourceFrame]:
    """All images in order, `size` of them in memory at a time."""
    numbered = enumerate(frames)
    while batch := [SourceFrame(i, frame) for i, frame in islice(numbered, size)]:
        if options.output.view == "side_by_side":
            batch = [image._replace(given=image.frame.copy()) for image in batch]
        faces = [find_face(image, plan, options) for image in batch]
        restoration(faces)
        for image, face in zip(batch, faces, strict=True):
            # Nothing is generated here: only what was restored counts as changed.
            yield image if face is None else marked(image, face, restoration.mask(face))
