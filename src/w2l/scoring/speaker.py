"""Who speaks: each face of a video against each voice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from w2l.metrics import best_offset, cosine_by_offset

Score = Literal["similarity", "confidence"]
SCORES: tuple[Score, ...] = ("similarity", "confidence")


class Calibration(NamedTuple):
    """Which number decides, and from where on (`calibrate` makes one)."""

    score: Score
    threshold: float


class Pair(NamedTuple):
    """One face with one voice; NaN where no window has both.

    Attributes:
        similarity: mean cosine of the expert at the best offset.
        confidence: that minus the median over the offsets.
        offset: the best one in frames, positive where the voice is early; None: there is none.
    """

    similarity: float
    confidence: float
    offset: int | None


@dataclass(frozen=True)
class Face:
    """A followed face as the expert sees it.

    Attributes:
        start: its first frame, at 25 fps, counted from where the voices begin.
        embeddings: (N, D), of windows start, start + 1, …; NaN rows where the face is missing.
    """

    start: int
    embeddings: Tensor

    @property
    def stop(self) -> int:
        """The frame after its last window's first."""
        return self.start + len(self.embeddings)


@dataclass(frozen=True)
class Speakers:
    """Who speaks in one video.

    Attributes:
        voices: names, in the order of the columns.
        starts: first frame of each face.
        pairs: per face the pairs with each voice.
        voice_of: per face the number of the voice that it is assigned, None: none was left.
        calibration: what decides, None: nothing was calibrated, so nothing is decided.
    """

    voices: tuple[str, ...]
    starts: tuple[int, ...]
    pairs: tuple[tuple[Pair, ...], ...]
    voice_of: tuple[int | None, ...]
    calibration: Calibration | None = None

    def belongs(self, face: int, voice: int) -> bool | None:
        """Whether this voice is this face's; None where nothing was calibrated or compared."""
        if self.calibration is None:
            return None
        score = getattr(self.pairs[face][voice], self.calibration.score)
        return None if np.isnan(score) else bool(score >= self.calibration.threshold)

    def to_dict(self) -> dict[str, Any]:
        """The field `speakers` of a clip in scores.json; a row per face, a column per voice."""
        columns = range(len(self.voices))
        return {
            "voices": list(self.voices),
            "calibration": self.calibration and self.calibration._asdict(),
            "faces": [
                {
                    "face": number,
                    "start_frame": self.starts[number - 1],
                    **{
                        name: [getattr(pair, name) for pair in pairs]
                        for name in (*SCORES, "offset")
                    },
                    "belongs": [self.belongs(number - 1, voice) for voice in columns],
                    "speaks": None if assigned is None else self.voices[assigned],
                }
                for number, (pairs, assigned) in enumerate(
                    zip(self.pairs, self.voice_of, strict=True), 1
                )
            ],
        }


def pair(face: Face, voice: Tensor) -> Pair:
    """How well a face and a voice fit.

    Args:
        face: with N windows.
        voice: sound embeddings (M, D) of all windows from frame 0 on.
    """
    heard = voice[face.start : face.stop]
    faces = face.embeddings[: len(heard)]
    by_offset = cosine_by_offset(faces, heard) if len(heard) else torch.full((31,), torch.nan)
    try:
        best = best_offset(by_offset, len(faces))
    except ValueError:
        return Pair(float("nan"), float("nan"), None)
    return Pair(best.similarity, best.confidence, best.offset)


def assign(scores: np.ndarray, spans: Sequence[tuple[int, int]]) -> list[int | None]:
    """The voice of each face, so that the sum of the scores is highest.

    Of faces that are seen at the same time each voice has one at most; those of other times (the
    same person after a cut) may have it again.

    Args:
        scores: (faces, voices), NaN where the two cannot be compared.
        spans: first frame and frame after the last of each face.
    """
    from scipy.optimize import linear_sum_assignment  # 70 MB, which syncing does without

    found: list[int | None] = [None] * len(scores)
    for group in together(spans):
        # What cannot be compared is worse than any assignment of what can.
        own = np.nan_to_num(scores[group], nan=-1e6)
        for row, voice in zip(*linear_sum_assignment(own, maximize=True), strict=True):
            if not np.isnan(scores[group[row], voice]):
                found[group[row]] = int(voice)
    return found


def together(spans: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Groups of faces that are seen at the same time, directly or through a third."""
    group: list[int] = []
    end = 0
    for i in sorted(range(len(spans)), key=lambda i: spans[i]):
        if group and spans[i][0] >= end:
            yield group
            group = []
        end = max(end, spans[i][1]) if group else spans[i][1]
        group.append(i)
    if group:
        yield group


def who_speaks(
    faces: Sequence[Face], voices: Mapping[str, Tensor], calibration: Calibration | None = None
) -> Speakers:
    """Compare each face with each voice, and give each voice to the face that it fits best.

    Args:
        faces: of one video.
        voices: name → sound embeddings (M, D) from the video's first frame on.
        calibration: what decides whether a pair belongs together; None: voices are assigned by
            the similarity, and nothing is decided.
    """
    pairs = [[pair(face, voice) for voice in voices.values()] for face in faces]
    score: Score = calibration.score if calibration else "similarity"
    scores = np.array([[getattr(p, score) for p in row] for row in pairs], np.float64)
    spans = [(face.start, face.stop) for face in faces]
    return Speakers(
        tuple(voices),
        tuple(face.start for face in faces),
        tuple(tuple(row) for row in pairs),
        tuple(assign(scores.reshape(len(faces), len(voices)), spans)),
        calibration,
    )


def speaker_rows(speakers: Speakers, names: Sequence[str]) -> list[list[str]]:
    """Per face which of `names` it was given, then a cell for each voice.

    A face whose voice does not belong to it, by the calibration, speaks with none of these.
    """
    rows = []
    for face, (pairs, assigned) in enumerate(zip(speakers.pairs, speakers.voice_of, strict=True)):
        cells = [_cell(found, speakers.belongs(face, voice)) for voice, found in enumerate(pairs)]
        refused = assigned is not None and speakers.belongs(face, assigned) is False
        given = "–" if assigned is None else "none of these" if refused else names[assigned]
        rows.append([given, *cells])
    return rows


def _cell(found: Pair, belongs: bool | None) -> str:
    if found.offset is None:
        return "–"
    decision = "" if belongs is None else " yes" if belongs else " no"
    return f"{found.similarity:.3f} at {found.offset:+d}{decision}"
