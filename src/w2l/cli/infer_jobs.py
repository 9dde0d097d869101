"""`batch=`: the jobs of a list (CSV, JSON lines) or of a folder, as values of the keys of each."""

from __future__ import annotations

import difflib
import hashlib
import json
import mimetypes
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from w2l.bounds import TEXT
from w2l.building import NETWORK, Component, choices, named_group
from w2l.cli.hydra_app import own_configs
from w2l.cli.infer_input import check_given, given_inputs, input_path, needs_sound
from w2l.cli.infer_output import TRACKS, name_outfile
from w2l.cli.infer_people import read_people
from w2l.cli.infer_settings import photo_of
from w2l.cli.keys.infer import Infer
from w2l.cli.presets import PUBLISHED, Preset, preset_settings
from w2l.download import is_url
from w2l.errors import UserError
from w2l.filelists.reading import on_disk, read_table, read_text
from w2l.jobs.keys import RunnerKeys
from w2l.media import moving_images, open_media
from w2l.paths import user_path
from w2l.schema import Key, as_dict, components, keys, read
from w2l.video import is_image

# What a result does not depend on.
_FREE = {"batch", "batch_size", "device"} | set(keys(RunnerKeys))
# Paths that are written; names of a registry are no paths where no such file is there.
_OUTPUTS = {"outfile"}
_MAYBE_NAMES = {"checkpoint", "expert", "judge", "parser"}
_PHOTO = "photo:"


def target(settings: Infer, taken: Collection[Path] = ()) -> Path | None:
    """Where a job's result goes, which no two may share; None: it cannot begin.

    Where it names no path it is a new one, that is none of `taken`.
    """
    sounds: list[Path] = []
    try:
        check_given(settings)
        if settings.mode != "restore":
            sounds += [input_path(v) for k, v in given_inputs(settings).items() if k != "face"]
            sounds += [each.audio for each in read_people(settings)]
        face = input_path(settings.face)
        paths = (name_outfile(settings, face, *sounds, nth=nth) for nth in count())
        if settings.outfile is not None:
            return real(next(paths))
        return next(path for path in map(real, paths) if path not in taken)
    except UserError:
        return None


def writing_to(settings: Infer, path: Path) -> Infer:
    """The settings of a job whose `target` is `path`, with that as its name."""
    name = os.path.relpath(path)
    return replace(
        settings, outfile=name.removesuffix(TRACKS) if settings.person == "tracks" else name
    )


def real(path: Path) -> Path:
    """One path of those that name the same place; a link at its end is the place."""
    return Path(os.path.realpath(path.parent), path.name)


def fingerprint(settings: Infer) -> str:
    """Tells apart jobs with other keys, or whose files have another size or time of change."""
    values = {key: value for key, value in as_dict(settings).items() if key not in _FREE}
    stamps = [stamp(path) for path in files_read(settings)]
    content = json.dumps([values, stamps], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def files_read(settings: Infer) -> list[Path]:
    """What the values of a job's keys name, and what its list of people does in turn.

    Names of a registry and addresses are among them, as paths at which nothing is.
    """
    files = [
        user_path(value)
        for value in (
            settings.face, settings.audio, settings.voice, settings.people, settings.checkpoint,
            settings.expert, settings.parser,
        )
        if value is not None
    ]  # fmt: skip
    with suppress(UserError):
        for component in (settings.detector, settings.restorer):
            files += [] if component is None else component.files()
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


@dataclass(frozen=True)
class Job:
    """One job of a batch.

    Attributes:
        number: from 1 on, in the list's order.
        settings: of the job; where it has a problem, those of the command line.
        face, audio: as the list names them, for messages.
        problem: why it cannot even begin; None where it can.
        total: how many there are.
    """

    number: int
    settings: Infer
    face: str | None
    audio: str | None
    problem: str | None = None
    total: int = 0

    @property
    def name(self) -> str:
        """Which one it is, for the terminal."""
        return f"[{self.number}/{self.total}] {self.face} + {self.audio}"

    @classmethod
    def of(cls, number: int, settings: Infer, problem: str | None = None) -> Job:
        """A job whose settings name its inputs."""
        return cls(number, settings, settings.face, settings.audio, problem)


def read_jobs(settings: Infer, given: set[str]) -> list[Job]:
    """The jobs that `batch=` names.

    Args:
        settings: of the command line, for keys that a job does not set.
        given: keys that the command line set.

    Raises:
        UserError: no such list, none that can be read, unknown columns, or no jobs in it.
    """
    path = user_path(settings.batch)
    base = replace(settings, batch=None)
    if path.is_dir():
        jobs = list(_paired(path, base))
        if not jobs:
            raise UserError(f"batch={path} holds no videos or photos.")
        return jobs
    if not path.is_file():
        raise UserError(f"batch={path} does not exist: check the path.")
    rows = _rows(path)
    if not rows:
        raise UserError(f"batch={path} holds no jobs: each row sets face, audio and other keys.")
    check_columns(path, {key for row in rows for key in row})
    return [_job(number, row, path.parent, base, given) for number, row in enumerate(rows, 1)]


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() in {".jsonl", ".ndjson", ".json"}:
        return list(_json_rows(path, read_text(path)))
    # An empty cell is what the command line says.
    return [{key: cell for key, cell in row.cells.items() if cell} for row in read_table(path)[1]]


def _json_rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UserError(f'{path}: line {number} is no JSON object like {{"face": "a.mp4"}}.')
        yield row


def check_columns(path: Path, columns: set[str]) -> None:
    """Refuse columns that are no keys of a job.

    Raises:
        UserError: naming the first, and the key that was probably meant.
    """
    known, groups = set(keys(Infer)) - {"batch", *keys(RunnerKeys)}, components(Infer)
    unknown = sorted(each for each in columns - known if each.partition(".")[0] not in groups)
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "columns are keys of infer.py (--help)."
        raise UserError(f"{path} has an unknown column {unknown[0]!r}: {hint}")


def _job(number: int, row: dict[str, Any], folder: Path, base: Infer, given: set[str]) -> Job:
    values = as_dict(base)
    try:
        own = {
            key: _value(keys(Infer)[key], value, folder)
            for key, value in row.items()
            if key.partition(".")[0] not in components(Infer)
        }
        own |= _components(row, folder, values)
        values |= own
        name = own.get("preset") or (PUBLISHED if own.get("published") else None)
        if name is not None:
            preset = Preset.named("infer", name, own_configs())
            values = preset_settings(preset, values, given | set(own))
        return Job.of(number, read(Infer, values))
    except UserError as error:
        named = {**values, **row}
        return Job(number, base, str(named["face"]), str(named["audio"]), str(error))


def _components(row: dict[str, Any], folder: Path, base: dict[str, Any]) -> dict[str, Any]:
    """The components that a job chooses (`detector`), or sets arguments of (`detector.size`)."""
    found: dict[str, Any] = {}
    for group in components(Infer):
        values = {
            key.partition(".")[2]: value
            for key, value in row.items()
            if key.partition(".")[0] == group
        }
        if not values:
            continue
        choice = values.pop("", None)
        if choice == "null":
            found[group] = None
            continue
        known = choices(group, own_configs())
        if NETWORK in known and choice not in known:
            choice = _argument(choice, folder)
        start = base[group] if choice is None else named_group(group, str(choice), own_configs())
        if start is None:
            raise UserError(f"{group}.{min(values)} is an argument of none: choose {group}=.")
        component = Component.of(start).with_arguments(
            **{key: _argument(value, folder) for key, value in values.items()}
        )
        found[group] = component.check().group()
    return found


def _argument(value: Any, folder: Path) -> Any:
    """A cell as an argument; the path of a file is relative to the list's folder."""
    if not isinstance(value, str):
        return value
    path = on_disk(user_path(value, folder))
    return str(path) if path.exists() else yaml.safe_load(value)


def _value(key: Key, value: Any, folder: Path) -> Any:
    """A cell as its key's value; paths are relative to the list's folder."""
    if isinstance(value, str) and value.strip() in {"null", ""}:
        return None
    if key.name == "label" or value is None:
        return value
    if key.name == "person":
        file = str(value).removeprefix(_PHOTO)
        return value if file == value else _PHOTO + _path(key.name, file, folder)
    if key.is_file:
        return _path(key.name, str(value), folder)
    if isinstance(value, str) and TEXT not in key.kinds:
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"{key.name}={value} cannot be read.") from error
    return key.read(value)


def _path(key: str, value: str, folder: Path) -> str:
    if is_url(value):
        return value
    path = on_disk(user_path(value, folder))
    return value if key in _MAYBE_NAMES and not path.exists() else str(path)


def _paired(folder: Path, base: Infer) -> Iterator[Job]:
    """A job for each video or photo of a folder, with the sound of its name or number if any."""
    faces: list[Path] = []
    sounds: list[Path] = []
    unreadable: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        kind = _kind(path)
        {"face": faces, "sound": sounds, None: unreadable}[kind].append(path)
    by_stem, by_number = defaultdict(list), defaultdict(list)
    for sound in sounds:
        by_stem[sound.stem].append(sound)
        by_number[_number(sound)].append(sound)
    for number, face in enumerate(sorted(faces, key=lambda f: (_number(f) or 0, f.name)), 1):
        settings = replace(base, face=str(face))
        if base.audio is not None or not needs_sound(base):
            yield Job.of(number, settings)
            continue
        fitting = by_stem[face.stem]
        if not fitting and _number(face) is not None:
            fitting = by_number[_number(face)]
        if len(fitting) == 1:
            yield Job.of(number, replace(settings, audio=str(fitting[0])))
        else:
            found = ", ".join(path.name for path in fitting) or "none"
            broken = [path for path in unreadable if _named_alike(path, face)]
            if not fitting and broken:
                problem = f"{broken[0]} cannot be read: it is no sound, or damaged."
                yield Job.of(number, settings, problem)
                continue
            yield Job.of(
                number,
                settings,
                f"{face} needs one sound of its name or its last number in {folder}, and there "
                f"is {found}: rename, or give audio= for all.",
            )


def _named_alike(path: Path, face: Path) -> bool:
    """Whether a file that cannot be read seems to be meant as a face's sound."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    same = path.stem == face.stem or (_number(path) == _number(face) and _number(face) is not None)
    return same and kind.startswith(("audio/", "video/"))


def _number(path: Path) -> int | None:
    digits = re.findall(r"\d+", path.stem)
    return int(digits[-1]) if digits else None


def _kind(path: Path) -> str | None:
    """ "face" or "sound" by content; None for what is neither."""
    if is_image(path):
        return "face"
    try:
        with open_media(path) as container:
            if moving_images(container):
                return "face"
            return "sound" if container.streams.audio else None  # maybe with a cover
    except UserError:
        return None
