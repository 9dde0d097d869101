"""What a job of a batch reads and writes, told before it is done."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from w2l.cli.infer_faces import photo_of
from w2l.cli.infer_input import check_given, given_inputs, input_path
from w2l.cli.infer_output import name_outfile
from w2l.cli.infer_people import read_people
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.paths import user_path
from w2l.schema import as_dict

# What a result does not depend on.
_FREE = {"batch", "batch_size", "device"}


def target(settings: Infer) -> Path | None:
    """The path that a job names, which no two may share; None: it names none, or cannot begin."""
    if settings.outfile is None:  # a new name, told when it is made
        return None
    sounds: list[Path] = []
    try:
        check_given(settings)
        if settings.mode != "restore":
            sounds += [input_path(v) for k, v in given_inputs(settings).items() if k != "face"]
            sounds += [each.audio for each in read_people(settings)]
        path = name_outfile(settings, input_path(settings.face), *sounds)
    except UserError:
        return None
    return real(path)


def real(path: Path) -> Path:
    """One path of those that name the same place; a link at its end is the place."""
    return Path(os.path.realpath(path.parent), path.name)


def fingerprint(settings: Infer) -> str:
    """Tells apart jobs with other keys, or whose files have another size or time of change."""
    keys = {key: value for key, value in as_dict(settings).items() if key not in _FREE}
    stamps = [stamp(path) for path in files_read(settings)]
    content = json.dumps([keys, stamps], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def files_read(settings: Infer) -> list[Path]:
    """What the values of a job's keys name, and what its list of people does in turn.

    Names of a registry and addresses are among them, as paths at which nothing is.
    """
    files = [
        user_path(value)
        for value in (
            settings.face, settings.audio, settings.voice, settings.people, settings.checkpoint,
            settings.expert, settings.parser, settings.restorer,
        )
        if value is not None
    ]  # fmt: skip
    with suppress(UserError):
        files += settings.detector.files()
    photos = [photo_of(str(settings.person))]
    with suppress(UserError):  # said when the job is done
        people = read_people(settings)
        files += [each.audio for each in people]
        photos += [photo_of(each.person or "") for each in people]
    return files + [photo for photo in photos if photo is not None]


def stamp(path: Path) -> list[tuple[int, int]]:
    """Size and time of change of a file, or of all in a folder; nothing where there is none."""
    # Path.is_dir() and exists() stumble over a name that is too long.
    files = sorted(path.iterdir()) if os.path.isdir(path) else [path]
    return [(s.st_size, s.st_mtime_ns) for s in (f.stat() for f in files if os.path.exists(f))]
