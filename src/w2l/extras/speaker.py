"""`person=speaker`: the person whose lips move with the video's own sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from w2l.audio import SAMPLE_RATE
from w2l.errors import UserError
from w2l.faces.track import Track
from w2l.inference.plan import FaceOptions, alone
from w2l.inference.similarity import faces_at_25_fps
from w2l.inference.source import VideoSource
from w2l.scoring import SyncScorer

SHORTEST_S = 1.0  # seconds of a track that tell anything
# Confidences of the demo's expert on the demo's speakers, two at a time: 0.81 to 0.86 for the one
# who is heard, 0.13 to 0.22 for the other.
CLEAR = 0.25


class BySpeaker:
    """Ranks tracks by sync confidence; a `Chooser`.

    The confidence is the expert's cosine at the best offset minus the median over all offsets: it
    stands out where lips and sound belong together, whoever is on screen.

    Args:
        source: the video, which is read again.
        waveform: its own sound, mono at 16 kHz, from its first image on.
        scorer: with an expert.
        options: pads and smoothing, as the expert knows faces.
        say: is told the figures of each track.
    """

    def __init__(
        self,
        source: VideoSource,
        waveform: np.ndarray,
        scorer: SyncScorer,
        options: FaceOptions,
        say: Callable[[str], None],
    ) -> None:
        self._source, self._waveform, self._scorer = source, waveform, scorer
        self._options, self._say = options, say

    def __call__(self, tracks: Sequence[Track]) -> list[float | None]:
        """The confidence of each track that speaks; None for the others.

        Raises:
            UserError: none is long enough to tell.
        """
        confidences: list[float | None] = []
        for number, track in enumerate(tracks, 1):
            confidence, what = self._score(track)
            confidences.append(confidence)
            self._say(f"speaker: track {number}: {what}")
        ranks = most_confident(tracks, confidences)
        speaking = [number for number, rank in enumerate(ranks, 1) if rank is not None]
        if not speaking:
            raise UserError(
                f"person=speaker: nobody is seen in {self._source.path} for long enough "
                f"({SHORTEST_S:g} s) to compare lips and sound: choose another person=."
            )
        self._say("speaker: " + ", ".join(f"track {number}" for number in speaking))
        if max(rank for rank in ranks if rank is not None) < CLEAR:
            self._say(
                f"speaker: nobody stands out by {CLEAR} or more, so this may be the wrong person: "
                "an expert knows only such faces and voices as it was trained on"
            )
        return ranks

    def _score(self, track: Track) -> tuple[float | None, str]:
        start, stop = int(track.frames[0]), int(track.frames[-1]) + 1
        fps = self._source.fps
        if stop - start < SHORTEST_S * fps:
            return None, "too short to tell"
        plan = alone(track, self._options, (self._source.height, self._source.width))
        crops = faces_at_25_fps(self._source.read(start, stop), plan.box, fps)
        first, last = (round(frame / fps * SAMPLE_RATE) for frame in (start, stop))
        try:
            result = self._scorer.cosine(crops, self._waveform[first:last])
        except UserError:  # never five frames in a row, or beyond the sound's end
            return None, "too little to tell"
        figures = (
            f"confidence {result.confidence:.3f} (cosine {result.by_offset.max():.3f} at offset "
            f"{result.offset} frames, mean {result.summary.mean:.3f} at 0)"
        )
        return result.confidence, figures


def most_confident(
    tracks: Sequence[Track], confidences: Sequence[float | None]
) -> list[float | None]:
    """Keep of tracks that are seen at once only the most confident: one speaks at a time."""
    ranks = list(confidences)
    for i, mine in enumerate(confidences):
        for j, other in enumerate(confidences):
            if mine is not None and other is not None and other > mine:
                ranks[i] = None if tracks[i].meets(tracks[j]) else ranks[i]
    return ranks
