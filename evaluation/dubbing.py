"""Dub each held-out clip with another's sound, and ask a judge which sound its lips fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from evaluation.held_out import HeldOut
from w2l.components import FaceDetector
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import link, select
from w2l.inference import FaceGenerator, SyncOptions, load_voice, open_source, sync_video
from w2l.inference.geometry import Geometry
from w2l.inference.plan import FaceOptions
from w2l.metrics import cosine_by_offset
from w2l.models import Expert
from w2l.scoring.crops import face_crop
from w2l.scoring.embeddings import expert_embeddings
from w2l.video import VideoReader
from w2l.windows import FPS

# Faces cut as they were for training.
OPTIONS = SyncOptions(faces=FaceOptions(pads=(0, 0, 0, 0)))
BATCH_SIZE = 64  # windows that go through the judge at once


class Verdict(NamedTuple):
    """What the judge says of one dubbed clip.

    Attributes:
        clip: `speaker/clip` of the face.
        voice: `speaker/clip` of the sound it was dubbed with.
        right: mean cosine of the dubbed video with that sound.
        wrong: with the sounds of all other clips, their mean; one alone may fit by chance.
        original: of the given video with the new sound: where dubbing starts from.
        real: of the given video with its own sound: where it could get to.
        by_offset: `right` at offsets of 15 … -15 frames, (31,), as `w2l.metrics.offsets`.
    """

    clip: str
    voice: str
    right: float
    wrong: float
    original: float
    real: float
    by_offset: np.ndarray


@torch.inference_mode()
def embeddings(
    video: Path, waveform: np.ndarray, judge: Expert, detector: FaceDetector
) -> tuple[Tensor, Tensor]:
    """The judge's embeddings of the largest face, cut with pads 0, and of a sound: (N, D) each."""
    reader = VideoReader(video, fps=FPS)
    tracks = link(all_faces(detect_video(reader, detector)))
    boxes = select(tracks, "largest", reader.count(), reader.size[0])
    return expert_embeddings(judge, map(face_crop, reader, boxes), waveform, BATCH_SIZE)


def mean_cosine(faces: Tensor, sounds: Tensor) -> float:
    """Over the windows that both have; windows without a face (NaN) are left out."""
    n = min(len(faces), len(sounds))
    return float((faces[:n] * sounds[:n]).sum(dim=1).nanmean())


LEAST_CLIPS = 3


def dub_and_judge(
    clips: Sequence[HeldOut], lipsync: FaceGenerator, judge: Expert, detector: FaceDetector
) -> Iterator[Verdict]:
    """Dub clip i with the sound of clip i + 1; all others but its own are the wrong sounds.

    Args:
        clips: `LEAST_CLIPS` or more: the face's, the driving sound's, and one of a wrong sound.
        lipsync: the generator on trial.
        judge: an expert that the generator was not trained against, in evaluation mode.
        detector: finds faces in given and dubbed videos.
    """
    given = [embeddings(clip.video, clip.waveform, judge, detector) for clip in clips]
    sounds = [sound for _, sound in given]
    with TemporaryDirectory() as folder:
        for i, (clip, (before, own)) in enumerate(zip(clips, given, strict=True)):
            j = (i + 1) % len(clips)
            voice = clips[j]
            dubbed = Path(folder) / "dubbed.mp4"
            sync_video(
                open_source(clip.video, Geometry()),
                load_voice(voice.video),
                dubbed,
                lipsync,
                detector,
                OPTIONS,
            )
            after, said = embeddings(dubbed, voice.waveform, judge, detector)
            others = [sound for k, sound in enumerate(sounds) if k not in (i, j)]
            yield Verdict(
                clip.name,
                voice.name,
                mean_cosine(after, said),
                fmean(mean_cosine(after, sound) for sound in others),
                mean_cosine(before, said),
                mean_cosine(before, own),
                cosine_by_offset(after, said).numpy(),
            )
