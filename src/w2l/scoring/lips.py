"""Lips against sound without a network for sync: `lips=true` of evaluate.py."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import numpy as np

from w2l.audio.audible import is_silent
from w2l.audio.speech import find_speech
from w2l.audio.waveform import load_audio
from w2l.components import FaceDetector, LandmarkFinder
from w2l.errors import UserError
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import link, select
from w2l.metrics import lips
from w2l.paths import shown_path
from w2l.scoring.landmarks import POINTS, landmarks_of
from w2l.video import VideoReader
from w2l.windows import FPS

logger = logging.getLogger(__name__)

FEWEST = 50  # frames: under 2 s there is nothing to correlate
BELIEVED = 2.75  # confidence that 1 % of wrong pairs reach: 1404, of 38 real clips and other sound
NAMES = {
    "lip_sync": "lip-sync ↓", "silent_stability": "silent stability", "lip_dynamics": "dynamics",
    "lip_leak": "leak ↓",
}  # fmt: skip
# What real video gives, by this code: mean over 37 clips, 33 of GRID (docs/metrics.md).
REAL = {"lip_sync": 0.304, "silent_stability": 0.020, "lip_dynamics": 0.714, "lip_leak": 0.205}
PROTOCOL = (
    "25 fps; the largest face, its 68 landmarks in every frame. offset: where two correlations "
    "have the highest mean, of the changes of mouth opening and loudness, and of the speed at "
    "which the mouth opens with onsets of sound (librosa; 200 to 4000 Hz, 90 ms), confidence: how "
    "far that is over all others that are 3 frames away or more, in correlation times the root of "
    f"the frames; under {BELIEVED:g}, which 1 % of wrong pairs reach, it is not believed. "
    "lip-sync, silent stability, lip dynamics (x 1000): as THEval, with 68 landmarks in place of "
    "468, speech by Silero. leak: share of frames in pauses of 300 ms, or of a silent video, in "
    f"which the inner lips are open by more than {lips.OPEN:g} of their width. A still mouth is "
    "stable and leaks nothing: read them beside the dynamics, and beside real video."
)


@dataclass(frozen=True)
class LipScorer:
    """Scores videos one by one.

    Attributes:
        detector: of faces.
        landmarks: finds 68 of them in a box.
        detect_every: frames between detections.
    """

    detector: FaceDetector
    landmarks: LandmarkFinder
    detect_every: int = 5

    def score(self, video: Path, audio: Path | None = None) -> dict[str, Any]:
        """The scores of one video; None where a number cannot be had of it.

        Raises:
            UserError: it has no sound, shows no face, or is too short.
        """
        sound = load_audio(video, origin="video") if audio is None else load_audio(audio)
        reader = VideoReader(video, fps=FPS)
        points = self._points(reader)
        if len(points) < FEWEST:
            raise UserError(
                f"{video} shows a face in {len(points)} frames, and lips against sound need "
                f"{FEWEST} (2 s)."
            )
        return measure(points, sound)

    def _points(self, reader: VideoReader) -> np.ndarray:
        """Landmarks of the largest face (F, 68, 2), between its first and last frame."""
        faces = all_faces(detect_video(reader, self.detector, self.detect_every))
        boxes = select(link(faces), "largest", len(faces), reader.size[0])
        points = np.full((len(boxes), POINTS, 2), np.nan)
        for i, (frame, box) in enumerate(zip(reader, boxes, strict=False)):
            if np.isfinite(box).all():
                points[i] = landmarks_of(self.landmarks, [frame], box)[0]
        known = np.isfinite(points).all(axis=(1, 2))
        if not known.any():
            return points[:0]
        times = np.arange(len(points))
        flat = points.reshape(len(points), -1)
        return np.stack(
            [np.interp(times, times[known], each[known]) for each in flat.T], axis=1
        ).reshape(points.shape)


def measure(points: np.ndarray, sound: np.ndarray) -> dict[str, Any]:
    """The scores of landmarks (F, 68, 2) at 25 fps and sound (n,) at 16 kHz from the same time."""
    n = len(points)
    if is_silent(sound):
        silent = np.ones(n, bool)
        return finite_or_none({
            "is_silent": True,
            "silent_stability": lips.theval_stability(points, silent),
            "lip_dynamics": lips.theval_dynamics(points),
            "lip_leak": lips.leak(points, silent),
        })  # fmt: skip
    speech = np.zeros(n, bool)
    for start, end in find_speech(sound):
        speech[int(start * FPS) : int(end * FPS) + 1] = True
    silent = lips.pauses(speech)
    curve = lips.sync_curve(lips.opening(points), lips.speech_bands(sound))
    offset, confidence = lips.best_shift(curve)
    return finite_or_none({
        "is_silent": False,
        "lip_offset": offset,
        "lip_confidence": confidence,
        "lip_believed": confidence >= BELIEVED,
        "lip_curve": [round(float(value), 4) for value in curve],
        "lip_sync": lips.theval_sync(points, sound, speech),
        "silent_stability": lips.theval_stability(points, silent),
        "lip_dynamics": lips.theval_dynamics(points),
        "lip_leak": lips.leak(points, silent),
    })  # fmt: skip


def finite_or_none(scores: dict[str, Any]) -> dict[str, Any]:
    """Numbers that cannot be had as None."""
    return {
        key: None if isinstance(value, float) and not isfinite(value) else value
        for key, value in scores.items()
    }


class ScoresVideos(Protocol):
    """What scores videos one by one."""

    def score(self, video: Path, audio: Path | None = None) -> dict[str, Any]:
        """The scores of one video, whose own sound may be another file's.

        Raises:
            UserError: it cannot be scored, and why.
        """
        ...


def score_each(
    scorer: ScoresVideos, videos: Iterable[Path], audio: Path | None = None
) -> Iterator[dict[str, Any]]:
    """A row for each video: its path, and scores or an `error`."""
    for video in videos:
        row: dict[str, Any] = {"path": shown_path(video)}
        try:
            row |= scorer.score(video, audio)
        except UserError as error:
            row["error"] = str(error).replace(str(video), row["path"])
        except Exception as error:  # of whatever kind: one bad file must not end a set
            logger.exception("%s could not be scored", video)
            row["error"] = f"{type(error).__name__}: {error}"
        yield row


def summarized(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The field `lips` of scores.json: rows, means, and the offset that all videos share.

    Single clips of some seconds tell no offset; the mean of their curves may, where a method is
    early or late by the same in all of them.
    """
    scored = [row for row in rows if "error" not in row]
    mean = {}
    for name in NAMES:
        values = [row[name] for row in scored if row.get(name) is not None]
        mean[name] = fmean(values) if values else None
    curves = [row["lip_curve"] for row in scored if row.get("lip_curve")]
    curves = [curve for curve in curves if np.isfinite(curve).all()]
    shared = None
    if curves:
        offset, confidence = lips.best_shift(np.sum(curves, axis=0) / np.sqrt(len(curves)))
        believed = confidence >= BELIEVED
        shared = {"offset": offset, "confidence": confidence, "believed": believed}
    return {
        "protocol": PROTOCOL,
        "clips": list(rows),
        "mean": mean,
        "real_video": REAL,
        "shared_offset": shared,
        "n_scored": len(scored),
        "n_failed": len(rows) - len(scored),
    }
