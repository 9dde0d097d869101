"""All steps on one clip: from a video file to a finished folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from preprocess.others import stretches_of_others
from preprocess.records import Record, origin, write_json
from preprocess.rejection import BROKEN, rejecting, telling_of
from preprocess.settings import Recipe
from preprocess.sources.transcript import read_transcript
from preprocess.steps.crops import crops, whole_pixels, write_crops
from preprocess.steps.faces import check_faces, find_people
from preprocess.steps.probe import check
from preprocess.steps.quality import Viewer, check_quality
from preprocess.steps.sound import check_audible, read_sound, write_sound
from preprocess.steps.sync import Sync, aligned, check_sync, find_speaker
from preprocess.times import Times
from w2l import __version__
from w2l.components import Clip, FaceDetector
from w2l.files import atomic_path
from w2l.scoring import SyncScorer
from w2l.video import VideoInfo, VideoReader
from w2l.windows import FPS

FRAME_MEMORY = 256 * 2**20  # bytes; a longer clip is decoded twice instead of kept


def prepare_clip(
    clip: Clip,
    folder: Path,
    recipe: Recipe,
    detector: FaceDetector,
    batch_size: int = 8,
    judge: SyncScorer | None = None,
    times: Times | None = None,
) -> Record:
    """Prepare one clip into `folder`, which appears whole or not at all.

    Args:
        clip: the source.
        folder: <out>/<speaker>/<clip>; an earlier one is replaced.
        recipe: what the result is to be.
        detector: finds faces.
        batch_size: frames per call of it.
        judge: tells by how much the sound is off; None: it stays as it is.
        times: seconds of each step are added to these. Frames that are too many to be kept are
            decoded within the steps that look at them, else within `decode`.

    Returns:
        The record that is also in clip.json.

    Raises:
        RejectedError: the clip cannot be used.
        UserError: the folder cannot be written.
    """
    record = origin(clip, recipe)  # first: a file that changes meanwhile is then out of date
    times = Times() if times is None else times
    with times.step("probe"):
        info = check(clip.path, clip.start_s)
        reader = VideoReader(
            clip.path, recipe.fps, clip.start_s, clip.end_s, deinterlace=not recipe.published
        )
    with times.step("sound"):
        samples = read_sound(clip.path, reader.first_s(), clip.end_s)
        if not recipe.published:
            check_audible(clip.path, samples)
    with times.step("decode"), rejecting("faces", BROKEN):
        frames = in_memory_if_small(reader, info)
    with times.step("faces"), rejecting("faces", BROKEN):
        found = find_people(
            frames,
            detector,
            every=recipe.detect_every,
            whole=recipe.detect_whole,
            batch_size=batch_size,
            smooth=recipe.smooth,
            published=recipe.published,
            min_frames=recipe.min_frames,
        )
    people = [whole_pixels(person.boxes, info.height, info.width) for person in found]
    speaker = 0
    syncs: list[Sync | None] = [None] * len(people)
    if judge is not None:
        with times.step("sync"):
            speaker, syncs = find_speaker(judge, frames, people, samples, recipe.min_frames)
    (boxes, present), sync = people[speaker], syncs[speaker]
    others = stretches_of_others([p for _, p in people], speaker, recipe.min_frames)
    others = others if recipe.fps == FPS else []  # else nobody knows when a frame is shown
    with telling_of(others):
        check_faces(clip.path, present, recipe.min_frames)
        if judge is not None:
            sync = check_sync(clip.path, sync, recipe.min_confidence)
            samples, present = aligned(clip, reader.first_s(), present, sync.offset)
            check_faces(clip.path, present, recipe.min_frames)
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            with times.step("crops"), rejecting("crops", BROKEN):
                viewer = Viewer()
                faces = viewer.watch(crops(frames, boxes, present))
                write_crops(faces, temporary, recipe.jpeg_quality)
            look = viewer.look(boxes, present, found[speaker].landmarks)
            if recipe.quality is not None:
                check_quality(clip.path, look, recipe.quality)
            with times.step("mel"):
                n_mel = write_sound(samples, temporary)
            record |= _description(clip, info, float(reader.fps), boxes, present)
            record |= asdict(look) | _sync(sync)
            record |= {
                "people": [
                    _person(*person, their) | {"speaks": number == speaker}
                    for number, (person, their) in enumerate(zip(people, syncs, strict=True))
                ],
                "others": others,
            }
            record |= {"n_mel": n_mel, "detector": recipe.detector.name, "versions": _versions()}
            write_json(temporary / "clip.json", record)
    return record


def in_memory_if_small(reader: VideoReader, info: VideoInfo) -> Iterable[np.ndarray]:
    """The frames as a list where they fit in `FRAME_MEMORY`, else the reader itself.

    They are needed twice, to find the face and to cut it out; memory stays bounded either way.
    """
    limit = max(FRAME_MEMORY // (info.width * info.height * 3), 1)
    if reader.duration_s * float(reader.fps) > 2 * limit:
        return reader
    frames = list(islice(reader, limit + 1))  # what a file says of its length may be wrong
    return frames if len(frames) <= limit else reader


def _description(
    clip: Clip, info: VideoInfo, fps: float, boxes: np.ndarray, present: np.ndarray
) -> dict[str, Any]:
    return {
        "split": clip.split,
        "transcript": read_transcript(clip.transcript),
        "n_frames": len(boxes),
        "n_faces": int(present.sum()),
        "duration_s": round(len(boxes) / fps, 3),
        "fps": fps,
        "source_fps": round(float(info.fps), 3),
        "source_variable_rate": info.variable_rate,
        "source_codec": info.codec,
        "width": info.width,
        "height": info.height,
        "boxes": [
            box.tolist() if there else None for box, there in zip(boxes, present, strict=True)
        ],
    }


def _sync(sync: Sync | None) -> dict[str, Any]:
    return {
        "sync_offset": None if sync is None else sync.offset,
        "sync_confidence": None if sync is None else round(sync.confidence, 4),
    }


def _person(boxes: np.ndarray, present: np.ndarray, sync: Sync | None) -> dict[str, Any]:
    """Somebody who was seen: when, where, and how well the sound fits."""
    seen = np.flatnonzero(present)
    return {
        "first_frame": int(seen[0]) if len(seen) else None,
        "last_frame": int(seen[-1]) if len(seen) else None,
        "n_faces": len(seen),
        "box": np.median(boxes[seen], axis=0).astype(int).tolist() if len(seen) else None,
    } | _sync(sync)


def _versions() -> dict[str, str]:
    return {
        "w2l": __version__,
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "av": version("av"),
    }
