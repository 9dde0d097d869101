"""Who speaks in a video file: its tracks and the voices, embedded once each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from w2l.audio.waveform import load_audio
from w2l.faces.protocol_track import ProtocolTrack
from w2l.scoring.crops import track_faces
from w2l.scoring.scorer import SyncScorer
from w2l.scoring.speaker import Calibration, Face, Speakers, who_speaks
from w2l.video import VideoReader

OWN = "own"  # the name of a video's own sound


@dataclass(frozen=True)
class SpeakerSearch:
    """Looks which face speaks with which voice.

    Attributes:
        scorer: with an expert.
        voices: name → embeddings (M, D); empty: each video's own sound is the one voice.
        calibration: what decides; None: nothing is decided.
    """

    scorer: SyncScorer
    voices: Mapping[str, Tensor] = field(default_factory=dict)
    calibration: Calibration | None = None

    @classmethod
    def of_files(
        cls, scorer: SyncScorer, files: Sequence[Path], calibration: Calibration | None
    ) -> SpeakerSearch:
        """With the voices of sound files, all of which begin with the video.

        Raises:
            UserError: a file has no sound.
        """
        voices = {str(file): scorer.embed_voice(load_audio(file)) for file in files}
        return cls(scorer, voices, calibration)

    def search(
        self, reader: VideoReader, tracks: Sequence[ProtocolTrack], waveform: np.ndarray
    ) -> Speakers:
        """Compare the faces of one video with the voices, or with its own sound."""
        voices = self.voices or {OWN: self.scorer.embed_voice(waveform)}
        faces = [embed(self.scorer, reader, track) for track in tracks]
        return who_speaks(faces, voices, self.calibration)


def embed(scorer: SyncScorer, reader: VideoReader, track: ProtocolTrack) -> Face:
    """A track as the expert sees it."""
    return Face(int(track.frames[0]), scorer.embed_face(track_faces(reader, track)))
