"""Several people with a voice each, in one video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from w2l import boxes as box_ops
from w2l.errors import UserError
from w2l.faces import FaceDetector
from w2l.inference.layout import Layout, draw_mask
from w2l.inference.lipsync import LipSync
from w2l.inference.plan import FaceOptions, FacePlan, fixed_plan, settle
from w2l.inference.provenance import CheckpointId
from w2l.inference.report import SyncReport, clock
from w2l.inference.source import Picture, Source, pictures
from w2l.inference.sync import (
    Progress,
    SyncOptions,
    Voice,
    find_all,
    mel_windows,
    open_writer,
    put_lips,
    silent,
)
from w2l.inference.timeline import MelWindows

SAME_FACE = 0.5  # overlap of two people's boxes from which on they are one face


@dataclass(frozen=True)
class Part:
    """One person and what it says.

    Attributes:
        name: of the person, for messages.
        voice: as long as the result, silent where the person is; its track is not used.
        faces: which face it is.
        box: fixed box (left, top, right, bottom) instead.
    """

    name: str
    voice: Voice
    faces: FaceOptions
    box: np.ndarray | None = None


def sync_people(
    source: Source,
    parts: Sequence[Part],
    sound: Voice,
    outfile: str | Path,
    lipsync: LipSync,
    detector: FaceDetector | None,
    options: SyncOptions,
    *,
    checkpoint: CheckpointId | None = None,
    progress: Progress = silent,
) -> list[SyncReport]:
    """Write `source` with each of `parts` saying its own voice.

    Faces are looked for once, for all. Who is silent for a while closes its mouth.

    Args:
        source, outfile, lipsync, detector, checkpoint, progress: as for `sync_video`.
        parts: at least one; their voices are as long as `sound`.
        sound: what goes into the file.
        options: as for `sync_video`; `faces` says how faces are looked for.

    Returns:
        What was synced of each person.

    Raises:
        UserError: as `sync_video`, or two of `parts` are one face.
    """
    layout = Layout((source.width, source.height), options.output, options.quality)
    writer = open_writer(outfile, source, sound, layout.size, options, checkpoint)
    windows = [mel_windows(source, part.voice, options, lipsync.lead_frames) for part in parts]
    n_frames = len(windows[0])
    plans = plan_people(source, parts, n_frames, detector, options, progress)
    reports = [SyncReport(Path(outfile), source.fps) for _ in parts]
    shown: Iterable[Picture] = pictures(source, n_frames, options.extend)
    for plan, heard in zip(plans, windows, strict=True):
        shown = spoken(shown, plan, heard, lipsync, options)
    with writer:
        for picture in progress(shown, "syncing", n_frames):
            number = picture.number
            for plan, report in zip(plans, reports, strict=True):
                report.count(plan.reasons.get(number))
                if options.output.view == "mask" and (box := plan.box(number)) is not None:
                    draw_mask(picture.frame, box, options.quality, plan.strength(number))
            writer.write(layout(picture, None))
    return reports


def spoken(
    shown: Iterable[Picture],
    plan: FacePlan,
    windows: MelWindows,
    lipsync: LipSync,
    options: SyncOptions,
) -> Iterator[Picture]:
    """The pictures, one person of them saying its voice, `batch_size` of them in memory."""
    numbered = enumerate(shown)
    while batch := list(islice(numbered, options.batch_size)):
        heard = [(picture, windows[i]) for i, picture in batch]
        yield from put_lips(heard, plan, lipsync, options)


def plan_people(
    source: Source,
    parts: Sequence[Part],
    n_frames: int,
    detector: FaceDetector | None,
    options: SyncOptions,
    progress: Progress = silent,
) -> list[FacePlan]:
    """Where each person is; faces are looked for once.

    Raises:
        UserError: one is not found, or two are the same.
    """
    size = (source.height, source.width)
    found = None
    if any(part.box is None for part in parts):
        found = find_all(source, n_frames, detector, replace(options, box=None), progress)
    plans = []
    for part in parts:
        if part.box is not None:
            plans.append(fixed_plan(part.box, n_frames, *size))
            continue
        assert found is not None
        try:
            plans.append(settle(found, part.faces, size, source.path, source.fps))
        except UserError as error:
            raise UserError(f"people: {part.name}: {error}") from error
    _check_apart(parts, plans, source)
    return plans


def _check_apart(parts: Sequence[Part], plans: Sequence[FacePlan], source: Source) -> None:
    for i, plan in enumerate(plans):
        for other, name in zip(plans[:i], (part.name for part in parts), strict=False):
            for number in range(min(len(plan.boxes), len(other.boxes))):
                mine, theirs = plan.box(number), other.box(number)
                if mine is None or theirs is None:
                    continue
                if box_ops.iou(mine[None], theirs[None])[0, 0] > SAME_FACE:
                    raise UserError(
                        f"people: {name} and {parts[i].name} are one face in {source.path} at "
                        f"{clock(number / source.fps)}: name them by track:N, which "
                        "person=tracks shows, or by box."
                    )
