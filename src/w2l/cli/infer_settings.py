"""The settings of `infer.py` as options: what is read, whose lips move, how they are synced."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from rich.console import Console

from w2l.audio.waveform import load_audio
from w2l.boxes import from_tblr
from w2l.building import Component
from w2l.checkpoints import chosen_generator, load_bisenet, resolve
from w2l.cli.infer_networks import Networks
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError, either
from w2l.extras.photo import ByPhoto
from w2l.extras.speaker import BySpeaker
from w2l.faces.track import Chooser, by_number
from w2l.inference import (
    FaceOptions,
    FaceRestoration,
    Geometry,
    MaskOptions,
    OutputOptions,
    Source,
    StillSource,
    SyncOptions,
    VideoSource,
    Voice,
    load_voice,
    open_source,
)
from w2l.inference.face_cache import FaceCache
from w2l.inference.folder import FolderSource
from w2l.inference.plan import Person
from w2l.inference.preview import SPARE_S
from w2l.inference.voice import origin_of
from w2l.media import open_media
from w2l.paths import user_path
from w2l.restoration import FaceParser, Sharpen, build_parser
from w2l.scoring import SyncScorer
from w2l.video import SOUND, AudioTrack, exact_rate, probe, read_about

PLACES = ("largest", "center", "left", "right", "first")
PERSONS = (*PLACES, "track:N", "photo:FILE", "speaker", "tracks")

MOST_PIXELS = 10**6  # more than any image has on a side

Say = Callable[[str], None]
STILL_FPS = 25  # of a photo, or a folder's images


def build_face_options(settings: Infer) -> FaceOptions:
    """Plain typed options of everything but who it is, where that is not a matter of place.

    Raises:
        UserError: a value of the wrong type or range.
    """
    check_person(settings.person)
    return FaceOptions(
        pads=None if settings.pads is None else integers(settings.pads, "pads"),
        smooth=settings.smooth,
        missing_face=settings.missing_face,
        person=cast(Person, settings.person) if settings.person in PLACES else "largest",
        detect_every=settings.detect_every,
        detect_whole=settings.detect_whole,
        max_turn=settings.max_turn,
        min_score=settings.min_score,
        published=settings.published,
    )


def check_person(person: str, name: str = "person") -> None:
    """Refuse what names nobody.

    Raises:
        UserError: naming the choices, or the photo that is not there.
    """
    if person in (*PLACES, "speaker", "tracks") or re.fullmatch(r"track:\d+(\+\d+)*", person):
        return
    photo = photo_of(person)
    if photo is None:
        raise UserError(f"{name}={person} is not available: choose {either(PERSONS)}.")
    if not os.path.isfile(photo):
        raise UserError(f"{name}={person}: there is no file {photo}, check the path.")


def photo_of(person: str) -> Path | None:
    """The file of `photo:FILE`; None where a person is named in another way."""
    kind, _, value = person.partition(":")
    return user_path(value) if kind == "photo" else None


def build_box(settings: Infer) -> np.ndarray | None:
    """The fixed box, if there is one."""
    box = settings.box
    return None if box is None else from_tblr(integers(box, "box"))


def integers(values: Any, key: str) -> tuple[int, int, int, int]:
    """Four whole numbers, of pixels.

    Raises:
        UserError: anything else.
    """
    whole = isinstance(values, list) and [type(v) for v in values] == [int] * 4
    if not whole or max(map(abs, values)) > MOST_PIXELS:
        raise UserError(f"{key}={values} must be four whole numbers: [top,bottom,left,right].")
    top, bottom, left, right = values
    return top, bottom, left, right


def find_person(
    faces: FaceOptions,
    settings: Infer,
    source: Source,
    scorer: SyncScorer | None,
    say: Say,
) -> FaceOptions:
    """The options with who it is by `person=`, and with the cache of this video's faces.

    Raises:
        UserError: what the choice needs is missing.
    """
    chooser = build_chooser(str(settings.person), faces, settings, source, scorer, say)
    return replace(faces, chooser=chooser, cache=build_cache(settings, source, say))


def build_chooser(
    person: str,
    faces: FaceOptions,
    settings: Infer,
    source: Source,
    scorer: SyncScorer | None,
    say: Say,
) -> Chooser | None:
    """Who it is, where that takes more than a place."""
    kind, _, value = person.partition(":")
    if kind == "track":
        return partial(by_number, numbers=[int(n) for n in value.split("+")], fps=source.fps)
    if (photo := photo_of(person)) is not None:
        return ByPhoto(photo, source, say)
    if kind != "speaker":
        return None
    if not isinstance(source, VideoSource):
        raise UserError("person=speaker watches moving lips: give a video, or another person=.")
    if scorer is None:
        raise UserError(
            "person=speaker compares lips and sound by a lip-sync expert: name one by expert= or "
            "judge=, or choose another person=."
        )
    with open_media(source.path) as container:
        if not container.streams.audio:
            raise UserError(
                f"person=speaker asks who says what is heard in {source.path}, and it has no "
                "sound: choose another person=."
            )
    sound = load_audio(source.path, start_s=settings.start, end_s=settings.end, origin="video")
    return BySpeaker(source, sound, scorer, faces, say)


def build_cache(settings: Infer, source: Source, say: Say) -> FaceCache | None:
    """The cache of a video's faces; none for photos, a box, and where it is not wanted."""
    wanted = settings.cache and not settings.published and settings.box is None
    if not wanted or not isinstance(source, VideoSource):
        return None
    keys = (
        "start",
        "end",
        "fps",
        "deinterlace",
        "resize_factor",
        "rotate",
        "crop",
        "detect_every",
        "detect_whole",
    )
    detector = settings.detector.facts()
    facts = {key: getattr(settings, key) for key in keys} | {"detector": detector}
    return FaceCache(source.path, facts, say=say)


def build_mask(settings: Infer) -> MaskOptions:
    """Which part of a face is generated.

    Raises:
        UserError: a number is out of its range.
    """
    return MaskOptions(settings.mask_size, settings.mask_feather, settings.mask_tracking)


def build_face_parser(settings: Infer, device: str) -> FaceParser | None:
    """The parser that `parser=` names, if any: an ONNX graph or the published checkpoint.

    Raises:
        UserError: there is none, or the whole box is replaced, whatever it holds.
    """
    if settings.parser is None:
        return None
    if settings.mode == "sync" and settings.quality == "fast":
        raise UserError(
            f"parser={settings.parser} plays no part in quality=fast, which replaces the whole "
            "box: take quality=improved or enhanced, or leave it out."
        )
    path = resolve(settings.parser)
    is_graph = path.suffix.lower() == ".onnx"
    return build_parser(path if is_graph else load_bisenet(path), device)


def build_restoration(
    settings: Infer, parser: FaceParser | None, device: str, console: Console
) -> FaceRestoration | None:
    """What restores faces, where it is asked for; says on the console what it is.

    Raises:
        UserError: a value that cannot be, or one that another one makes useless.
    """
    chosen, region = settings.restorer, settings.restore_region
    whole = settings.mode == "restore"
    if not whole and settings.quality != "enhanced":
        if chosen is not None:
            raise UserError(
                f"restorer={restorer_name(chosen)} plays no part in quality={settings.quality}: "
                "take quality=enhanced, or leave it out."
            )
        return None
    restoration = FaceRestoration(
        Sharpen() if chosen is None else chosen.build(device=device),
        strength=settings.restore_strength,
        region=region or ("face" if whole else "mouth"),
        smooth=settings.restore_smooth,
        parser=parser,
    )
    hint = ": restorer= names one" if chosen is None else ""
    console.print(f"restoring: {restoration.about}{hint}")
    return restoration


def restorer_name(chosen: Component) -> str:
    """What `restorer=` says of it: a network's file, or its class."""
    return str(dict(chosen.arguments).get("path", chosen.name))


def with_quality(
    options: SyncOptions, settings: Infer, device: str, console: Console
) -> SyncOptions:
    """The options with the networks that quality takes: a parser, a restorer."""
    parser = build_face_parser(settings, device)
    restoration = build_restoration(settings, parser, device, console)
    return replace(options, parser=parser, restoration=restoration)


def own_sound(settings: Infer, source: Source) -> AudioTrack | None:
    """The sound of a finished video, as far as its images are used; None where it has none.

    Raises:
        UserError: a folder's images are not shown at the rate at which they fit its sound, or
            the sound could not be written in the end.
    """
    sound = _own_sound(settings, source)
    if sound is not None:
        load_audio(sound.path, track=sound.number)  # says what no encoder takes, before the work
    return sound


def _own_sound(settings: Infer, source: Source) -> AudioTrack | None:
    start, end = settings.start, settings.end
    if isinstance(source, FolderSource):
        return _folder_sound(source, start, end)
    if not isinstance(source, VideoSource) or not probe(source.path).has_audio:
        return None
    return AudioTrack(source.path, start, end, "video", settings.audio_track)


def _folder_sound(source: FolderSource, start: float, end: float | None) -> AudioTrack | None:
    sound = source.path / SOUND
    if not sound.is_file():
        return None
    rate = read_about(source.path).get("fps", str(source.fps))
    if rate != str(source.fps):
        raise UserError(f"{source.path} has its sound at {rate} frames/s: give that as fps=.")
    return AudioTrack(sound, start, end)


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
        # As they came, images are numbered by decoding all before, for which a preview has no
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
        published=settings.published,
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
