"""The keys of `infer.py` as typed values: what is read, how it is synced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from w2l.checkpoints import chosen_generator
from w2l.cli.infer_faces import build_box, build_face_options, integers
from w2l.cli.infer_networks import Networks
from w2l.cli.infer_quality import build_mask
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.inference import (
    Geometry,
    OutputOptions,
    Source,
    StillSource,
    SyncOptions,
    Voice,
    load_voice,
    open_source,
)
from w2l.inference.preview import SPARE_S
from w2l.inference.voice import origin_of
from w2l.scoring import SyncScorer
from w2l.video import exact_rate

STILL_FPS = 25  # of a photo, or a folder's pictures


def with_networks(settings: Infer) -> Infer:
    """The settings with what nobody named: the generator, and who tells who speaks."""
    expert = settings.expert
    if settings.person == "speaker" and expert is None:
        expert = None if settings.judge == "none" else settings.judge
    return replace(settings, checkpoint=chosen_generator(settings.checkpoint), expert=expert)


def build_source(settings: Infer, face: Path) -> Source:
    """The face video or photo, as it is to be shown."""
    crop = settings.crop if settings.crop is not None else [0, -1, 0, -1]
    geometry = Geometry(settings.resize_factor, settings.rotate, integers(crop, "crop"))
    return open_source(
        face,
        geometry,
        start_s=settings.start,
        end_s=settings.end,
        still_fps=exact_rate(settings.fps or STILL_FPS),
        static=settings.static,
        # As they came, pictures are numbered by decoding all before, for which a preview has no
        # time.
        constant_rate=settings.preview is not None or not settings.published,
        fps=None if settings.fps is None else exact_rate(settings.fps),
        deinterlace=settings.deinterlace,
    )


def build_voice(settings: Infer, face: Path, audio: Path, voice: Path | None = None) -> Voice:
    """The new sound, for a preview as much of it as that takes."""
    start, end = settings.audio_start, settings.audio_end
    if settings.preview is not None:
        enough = start + settings.preview + SPARE_S
        end = enough if end is None else min(end, enough)
    return load_voice(
        audio,
        start,
        end,
        driving=voice,
        # In the release second 0 is the first sample, whatever sound it is.
        origin="audio" if settings.published else origin_of(audio, face),
        speech=settings.silence != "sync",
        track=settings.audio_track,
    )


def build_options(settings: Infer, output: OutputOptions) -> SyncOptions:
    """Plain typed options from the settings."""
    return SyncOptions(
        faces=build_face_options(settings),
        box=build_box(settings),
        duration=settings.duration,
        extend=settings.extend,
        silence=settings.silence,
        quality="enhanced" if settings.mode == "restore" else settings.quality,
        mask=build_mask(settings),
        output=output,
        batch_size=settings.batch_size,
        published=settings.published,
    )


def build_scorer(
    settings: Infer, source: Source, device: str, networks: Networks
) -> SyncScorer | None:
    """The expert that compares the given video with the new sound, if one is asked for.

    A preview, which takes no whole video, has it only where it tells who speaks.

    Raises:
        UserError: the face is a still, whose lips do not move.
    """
    if settings.expert is None:
        return None
    if isinstance(source, StillSource):
        raise UserError(
            "expert= compares moving lips with the audio: give a video, or leave it out."
        )
    if settings.preview is not None and settings.person != "speaker":
        return None
    return networks.scorer(settings.expert, device)
