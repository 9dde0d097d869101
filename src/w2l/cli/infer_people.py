"""`people=FILE.yaml`: several people of one video, each saying a sound of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from rich.console import Console

from w2l.audio import SAMPLE_RATE
from w2l.audio.mel import log_mel
from w2l.audio.speech import find_speech
from w2l.audio.waveform import count_channels, load_audio, mix, placed, write_wav
from w2l.boxes import from_tblr
from w2l.cli.infer_report import show_closed, show_notes
from w2l.cli.infer_settings import build_chooser, check_person, integers
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.extras.people import Part
from w2l.filelists.reading import read_text
from w2l.files import own_folder
from w2l.inference import FaceOptions, Source, SyncReport, Voice, load_voice
from w2l.inference.plan import Person
from w2l.inference.voice import notes_on
from w2l.paths import user_path
from w2l.scoring import SyncScorer

MIX_RATE = 48_000  # Hz of the mix
DAY_S = 86_400  # seconds: voices lie in memory as long as they last
KEYS = {"person", "box", "audio", "audio_start", "audio_end", "at"}


@dataclass(frozen=True)
class Entry:
    """One person of the file, checked.

    Attributes:
        person: as `person=`; None where `box` is given.
        box: (left, top, right, bottom), or None.
        audio: what is said.
        audio_start, audio_end: seconds of `audio`.
        at: seconds of the result at which it begins.
    """

    person: str | None
    box: np.ndarray | None
    audio: Path
    audio_start: float = 0.0
    audio_end: float | None = None
    at: float = 0.0

    @property
    def name(self) -> str:
        """For messages."""
        return f"the person in the box for {self.audio.name}" if self.box is not None else str(
            self.person
        )  # fmt: skip


def read_people(settings: Infer) -> list[Entry]:
    """The entries of `people=`, none where it is null; their audio is looked for beside the file.

    Raises:
        UserError: no such file, no YAML, an entry that is wrong, by its number, or another key
            that is for one person only.
    """
    if settings.people is None:
        return []
    path = user_path(settings.people)
    if not os.path.isfile(path):
        raise UserError(f"people={path} does not exist: check the path.")
    others = {"box": settings.box, "preview": settings.preview, "voice": settings.voice}
    for key, value in others.items():
        if value is not None:
            raise UserError(f"{key}= is for one person: leave it out with people=.")
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise UserError(f"people={path} cannot be read as YAML: check the file.") from error
    if not isinstance(content, list) or not content:
        raise UserError(f"people={path} must be a list: an entry with person and audio for each.")
    return [_entry(each, f"people={path}, entry {i}", path) for i, each in enumerate(content, 1)]


def _entry(content: Any, where: str, path: Path) -> Entry:
    if not isinstance(content, dict):
        raise UserError(f"{where} must have keys: person (or box) and audio.")
    if unknown := sorted(set(map(str, content)) - KEYS):
        raise UserError(f"{where}: {unknown[0]} is not known, only {', '.join(sorted(KEYS))} are.")
    person, box = content.get("person"), content.get("box")
    if (person is None) == (box is None):
        raise UserError(f"{where} needs either a person or a box.")
    if person is not None:
        person = str(person)
        if person in ("tracks", "first"):
            raise UserError(f"{where}: person: {person} does not follow anybody, choose another.")
        check_person(person, f"{where}: person")
    if not content.get("audio"):
        raise UserError(f"{where} needs an audio: what this person says.")
    audio = user_path(content["audio"], path.parent)
    if not os.path.isfile(audio):
        raise UserError(f"{where}: audio {audio} does not exist, check the path.")
    seconds = {key: content.get(key) for key in ("audio_start", "audio_end", "at")}
    for key, value in seconds.items():
        if value is not None and (type(value) not in (int, float) or not 0 <= value <= DAY_S):
            raise UserError(f"{where}: {key}: {value} must be seconds, from 0 to {DAY_S}.")
    return Entry(
        person,
        None if box is None else from_tblr(integers(box, f"{where}: box")),
        audio,
        seconds["audio_start"] or 0.0,
        seconds["audio_end"],
        seconds["at"] or 0.0,
    )


@contextmanager
def voices_of(
    entries: Sequence[Entry], sound: Voice | None, *, speech: bool = False
) -> Iterator[tuple[list[Voice], Voice]]:
    """Each person's voice, and what goes into the file, all of one length.

    Args:
        entries: who says what.
        sound: of the file; None: the voices' mix (see `mix`), which lasts until the last of them
            ends and is there while the block runs.
    """
    with own_folder("voices") as folder:
        sound = _mixed(entries, folder / "mix.wav") if sound is None else sound
        voices = []
        for entry in entries:
            begin, length = round(entry.at * SAMPLE_RATE), len(sound.waveform)
            waveform = placed(_load(entry, SAMPLE_RATE), begin, length)
            active = find_speech(waveform) if speech else None
            notes = notes_on(waveform, entry.audio)
            voices.append(
                replace(sound, waveform=waveform, mel=log_mel(waveform), speech=active, notes=notes)
            )
        yield voices, sound


def _mixed(entries: Sequence[Entry], path: Path) -> Voice:
    # One voice in stereo makes the mix stereo; mono ones are then in its middle.
    channels = min(2, max(count_channels(entry.audio) for entry in entries))
    parts = [(round(entry.at * MIX_RATE), _load(entry, MIX_RATE, channels)) for entry in entries]
    length = max(start + len(waveform) for start, waveform in parts)
    write_wav(path, mix([placed(each, start, length) for start, each in parts]), MIX_RATE)
    return load_voice(path)


def _load(entry: Entry, rate: int, channels: int = 1) -> np.ndarray:
    return load_audio(
        entry.audio,
        sample_rate=rate,
        start_s=entry.audio_start,
        end_s=entry.audio_end,
        channels=2 if channels == 2 else 1,
    )


def build_parts(
    entries: Sequence[Entry],
    voices: Sequence[Voice],
    faces: FaceOptions,
    settings: Infer,
    source: Source,
    scorer: SyncScorer | None,
    console: Console,
) -> list[Part]:
    """Each person with its voice and how its face is told from the others."""
    parts = []
    for entry, voice in zip(entries, voices, strict=True):
        mine = faces
        if entry.person is not None:
            chooser = build_chooser(entry.person, faces, settings, source, scorer, console.print)
            place = cast(Person, entry.person if chooser is None else "largest")
            mine = replace(faces, person=place, chooser=chooser)
        parts.append(Part(entry.name, voice, mine, entry.box))
    return parts


def show_people(parts: Sequence[Part], reports: Sequence[SyncReport], console: Console) -> None:
    """Print where the video is, and of each person how much was synced, and what was not."""
    first = reports[0]
    seconds = float(Fraction(first.n_frames) / first.fps)
    console.print(f"{first.outfile}: {first.n_frames} frames, {seconds:.2f} s")
    for part, report in zip(parts, reports, strict=True):
        synced = report.n_frames - report.n_untouched
        show_notes(report, console)
        console.print(f"{part.name}: {synced} of {report.n_frames} frames synced")
        for line in report.lines():
            console.print(f"  {line}")
        show_closed(report, console)
