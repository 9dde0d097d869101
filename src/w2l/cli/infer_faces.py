"""The keys of `infer.py` that say whose lips move, and how faces are looked for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from w2l.audio.waveform import load_audio
from w2l.boxes import from_tblr
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError, either
from w2l.faces.persons import Chooser, by_number
from w2l.inference import FaceOptions, Source, VideoSource
from w2l.inference.face_cache import FaceCache
from w2l.inference.photo import ByPhoto
from w2l.inference.plan import Person
from w2l.inference.speaker import BySpeaker
from w2l.media import open_media
from w2l.paths import user_path
from w2l.scoring import SyncScorer

PLACES = ("largest", "center", "left", "right", "first")
PERSONS = (*PLACES, "track:N", "photo:FILE", "speaker", "tracks")

MOST_PIXELS = 10**6  # more than any picture has on a side

Say = Callable[[str], None]


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
    )
    detector = settings.detector.facts()
    facts = {key: getattr(settings, key) for key in keys} | {"detector": detector}
    return FaceCache(source.path, facts, say=say)
