"""Several people with a voice each, in one video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from w2l import boxes as box_ops
from w2l.components import FaceDetector, Progress, no_progress
from w2l.errors import UserError
from w2l.inference.finding import find_all
from w2l.inference.layout import Layout
from w2l.inference.lips import Role
from w2l.inference.lipsync import FaceGenerator
from w2l.inference.mouths import Mouths
from w2l.inference.options import SyncOptions
from w2l.inference.plan import FaceOptions, FacePlan, fixed_plan, settle
from w2l.inference.provenance import CheckpointId
from w2l.inference.report import SyncReport, clock
from w2l.inference.source import Source
from w2l.inference.sync import open_writer, perform
from w2l.inference.voice import Voice, fitted_track, mel_windows

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
    lipsync: FaceGenerator,
    detector: FaceDetector | None,
    options: SyncOptions,
    *,
    checkpoint: CheckpointId | None = None,
    progress: Progress = no_progress,
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
    layout = Layout((source.width, source.height), options.output)
    windows = [mel_windows(source, part.voice, options, lipsync.lead_frames) for part in parts]
    n_frames = len(windows[0])
    track = fitted_track(sound, n_frames, source, options.duration)
    writer = open_writer(outfile, source, track, layout.size, options, checkpoint, lipsync.computed)
    plans = plan_people(source, parts, n_frames, detector, options, progress)
    roles = [Role(plan, heard, Mouths()) for plan, heard in zip(plans, windows, strict=True)]
    reports = [SyncReport(Path(outfile), source.fps, notes=part.voice.notes) for part in parts]
    perform(source, roles, writer, layout, lipsync, options, reports, progress)
    return reports


def plan_people(
    source: Source,
    parts: Sequence[Part],
    n_frames: int,
    detector: FaceDetector | None,
    options: SyncOptions,
    progress: Progress = no_progress,
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
