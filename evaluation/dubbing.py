"""Dub each held-out clip with another's sound, and ask a judge which sound its lips fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from evaluation.held_out import HeldOut
from w2l.faces import FaceDetector
from w2l.faces.track import detect_video, link, select
from w2l.inference import LipSync, SyncOptions, load_voice, open_source, sync_video
from w2l.inference.geometry import Geometry
from w2l.inference.plan import FaceOptions
from w2l.scoring import SyncScorer
from w2l.scoring.evaluator import face_crop
from w2l.video import VideoReader
from w2l.windows import FPS


# Faces cut as they were for training.
OPTIONS = SyncOptions(faces=FaceOptions(pads=(0, 0, 0, 0)))


class Verdict(NamedTuple):
    """What the judge says of one dubbed clip.

    Attributes:
        clip: `speaker/clip` of the face.
        voice: `speaker/clip` of the sound it was dubbed with.
        right: mean cosine of the dubbed video with that sound.
        wrong: with the sound of a third clip.
        original: of the given video with the new sound: where dubbing starts from.
        real: of the given video with its own sound: where it could get to.
        by_offset: `right` at offsets of -15 … 15 frames, (31,).
    """

    clip: str
    voice: str
    right: float
    wrong: float
    original: float
    real: float
    by_offset: np.ndarray


def faces_of(video: Path, detector: FaceDetector) -> list[np.ndarray | None]:
    """The largest face of each frame at 25 fps, as Wav2Lip crops it with pads 0."""
    reader = VideoReader(video, fps=FPS)
    tracks = link(list(detect_video(reader, detector)))
    boxes = select(tracks, "largest", reader.count(), reader.size[0])
    crops = map(face_crop, reader, boxes)
    return [None if crop is None else crop.copy() for crop in crops]


def dub_and_judge(
    clips: Sequence[HeldOut], lipsync: LipSync, judge: SyncScorer, detector: FaceDetector
) -> Iterator[Verdict]:
    """Dub clip i with the sound of clip i + 1; the wrong sound is that of clip i + 2.

    Args:
        clips: three or more.
        lipsync: the generator on trial.
        judge: with an expert that the generator was not trained against.
        detector: finds faces in given and dubbed videos.
    """
    with TemporaryDirectory() as folder:
        for i, clip in enumerate(clips):
            voice, other = (clips[(i + step) % len(clips)] for step in (1, 2))
            dubbed = Path(folder) / "dubbed.mp4"
            sync_video(
                open_source(clip.video, Geometry()),
                load_voice(voice.video),
                dubbed,
                lipsync,
                detector,
                OPTIONS,
            )
            after, before = (faces_of(video, detector) for video in (dubbed, clip.video))
            right = judge.cosine(after, voice.waveform)
            yield Verdict(
                clip.name,
                voice.name,
                right.summary.mean,
                judge.cosine(after, other.waveform).summary.mean,
                judge.cosine(before, voice.waveform).summary.mean,
                judge.cosine(before, clip.waveform).summary.mean,
                right.by_offset,
            )
