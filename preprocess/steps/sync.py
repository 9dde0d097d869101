"""Fourth step, where a network is given: by how many frames the sound is off, and put right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preprocess.rejection import LOW_SYNC, TOO_SHORT, RejectedError, rejecting
from preprocess.steps.crops import crops
from preprocess.steps.faces import longest_run
from preprocess.steps.sound import read_sound
from w2l.checkpoints import load_expert, load_syncnet, read
from w2l.components import Clip
from w2l.faces.protocol_track import ProtocolTrack, crop_track
from w2l.metrics.lse import VSHIFT
from w2l.scoring import SyncScorer
from w2l.scoring.embeddings import SAMPLES_PER_FRAME
from w2l.windows import FPS

MAX_ASKED = 4  # people of a clip, of whom one speaks


@dataclass(frozen=True)
class Sync:
    """What a network says of a clip.

    Attributes:
        offset: frames at 25/s, positive where the sound is early.
        confidence: how far the best offset stands out: the median over ±15 offsets of SyncNet's
            distance minus its lowest, or the expert's highest cosine minus the median.
    """

    offset: int
    confidence: float


def load_judge(path: str, device: str) -> SyncScorer:
    """The network of a file: SyncNet v2 or an expert, told by what the file holds.

    Raises:
        UserError: it holds neither.
    """
    if read(path).network == "syncnet_v2":
        return SyncScorer(load_syncnet(path), device=device)
    return SyncScorer(expert=load_expert(path), device=device)


def find_sync(
    judge: SyncScorer,
    frames: Iterable[np.ndarray],
    boxes: np.ndarray,
    present: np.ndarray,
    samples: np.ndarray,
) -> Sync:
    """Compare lips and sound at every offset within ±15 frames.

    SyncNet sees the longest stretch with a face, cut as its own pipeline cuts; an expert sees every
    face, cut as it is stored.

    Args:
        judge: one network.
        frames: (H, W, 3) uint8 BGR at 25 frames/s, all of the clip.
        boxes: (N, 4) whole pixels inside the frame.
        present: (N,) bool, frames with a face.
        samples: (n,) int16 at 16 kHz from the moment of the first frame.

    Raises:
        RejectedError: the clip is too short to be judged.
    """
    with rejecting("sync", TOO_SHORT):
        if judge.syncnet is None:
            sound = samples.astype(np.float32) / 32768
            found = judge.cosine(crops(frames, boxes, present), sound)
            return Sync(found.offset, found.confidence)
        start, stop = longest_run(present)
        track = ProtocolTrack(np.arange(start, stop), boxes[start:stop].astype(float))
        score = judge.lse(crop_track(frames, track), samples[start * SAMPLES_PER_FRAME :]).lse
        return Sync(score.offset, score.lse_c)


def find_speaker(
    judge: SyncScorer,
    frames: Iterable[np.ndarray],
    people: Sequence[tuple[np.ndarray, np.ndarray]],
    samples: np.ndarray,
    min_frames: int,
) -> tuple[int, list[Sync | None]]:
    """Whose lips fit the sound best, by the confidence.

    Args:
        judge, frames, samples: as in `find_sync`.
        people: boxes and presence of each, the main person first.
        min_frames: who is not seen for so many frames in a row is not asked, nor are any but the
            first `MAX_ASKED`.

    Returns:
        The speaker's index, 0 where nobody can be asked; and what was found for each.
    """
    found: list[Sync | None] = []
    for number, (boxes, present) in enumerate(people):
        start, stop = longest_run(present)
        try:
            asked = number < MAX_ASKED and stop - start >= min_frames
            found.append(find_sync(judge, frames, boxes, present, samples) if asked else None)
        except RejectedError:  # too short a stretch of sound and face together
            found.append(None)
    confidences = [-np.inf if sync is None else sync.confidence for sync in found]
    return int(np.argmax(confidences)), found


def check_sync(path: Path, sync: Sync | None, min_confidence: float) -> Sync:
    """Is the sound known to fit?

    Raises:
        RejectedError: nobody could be judged, or the best offset does not stand out enough or lies
            at the end of the search.
    """
    if sync is None:
        raise RejectedError("sync", TOO_SHORT, f"{path}: too little face and sound together.")
    if not sync.confidence >= min_confidence:
        raise RejectedError(
            "sync", LOW_SYNC,
            f"{path}: lips and sound fit best {sync.offset:+d} frames apart, with a confidence of "
            f"{sync.confidence:.3f} where min_confidence={min_confidence:g} is wanted.",
        )  # fmt: skip
    if abs(sync.offset) >= VSHIFT:
        raise RejectedError(
            "sync", LOW_SYNC,
            f"{path}: lips and sound fit best {sync.offset:+d} frames apart, the end of the "
            "search: the true offset may lie beyond.",
        )  # fmt: skip
    return sync


def aligned(
    clip: Clip, start_s: float, present: np.ndarray, offset: int
) -> tuple[np.ndarray, np.ndarray]:
    """The sound that belongs to the frames, which keep their numbers.

    Args:
        clip: what part of which file.
        start_s: of its first frame, in seconds after the file's.
        present: (N,) bool.
        offset: frames, positive where the sound is early.

    Returns:
        The file's sound from `offset` frames ahead of the clip's place, (n,) int16 at 16 kHz,
        behind silence where the file has none; and `present` without the frames that hear that
        silence.

    Raises:
        RejectedError: too little sound is left.
    """
    first = start_s - offset / FPS
    end_s = None if clip.end_s is None else clip.end_s - offset / FPS
    samples = read_sound(clip.path, max(0.0, first), end_s)
    missing = max(0, round(-first * FPS))
    silence = np.zeros(missing * SAMPLES_PER_FRAME, samples.dtype)
    return np.concatenate([silence, samples]), present & (np.arange(len(present)) >= missing)
