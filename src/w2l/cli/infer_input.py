"""The inputs of `infer.py`: files, folders of images, addresses."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from rich.console import Console

from w2l.cli.keys.infer import Infer
from w2l.download import check_yt_dlp, download, is_url
from w2l.errors import UserError
from w2l.paths import user_path

DOWNLOADS = Path("outputs/infer/downloads")


def check_given(settings: Infer) -> None:
    """See that a job says what is to speak, and what is to be said.

    Raises:
        UserError: naming the missing keys.
    """
    needed = {"face": settings.face}
    if needs_sound(settings):
        needed = {"audio": settings.audio, **needed}
    missing = [key for key, value in needed.items() if value is None]
    if missing:
        raise UserError(f"Missing: {', '.join(f'{key}=…' for key in missing)}.")


def needs_sound(settings: Infer) -> bool:
    """Whether a job takes `audio=`: not to restore, to list tracks, or where people= has it."""
    is_other = settings.mode == "restore" or settings.person == "tracks"
    return not is_other and settings.people is None


def input_path(value: object) -> Path:
    """The file that an input's value names, or the one where an address is kept."""
    return DOWNLOADS / name_of(str(value)) if is_url(str(value)) else user_path(value)


def given_inputs(settings: Infer) -> dict[str, str]:
    """The inputs that a job names, by their keys."""
    inputs = {"face": settings.face, "audio": settings.audio, "voice": settings.voice}
    return {key: value for key, value in inputs.items() if value is not None}


def check_input(key: str, value: str) -> Path:
    """The file that an input names; of an address nothing is known yet.

    Raises:
        UserError: it is not there.
    """
    path = input_path(value)
    if is_url(value):
        return path
    if os.path.isdir(path):
        if key != "face":
            raise UserError(f"{key}={path} is a folder, not a file: check the path.")
    elif not os.path.isfile(path):  # nor is a name that is too long for one
        raise UserError(f"{key}={path} does not exist: check the path.")
    return path


def find_input(key: str, value: str, console: Console) -> Path:
    """The file that an input names, fetched where it is an address.

    Args:
        key: "face", which may be a folder of images, "audio" or "voice".
        value: the key's.
        console: says when something is fetched.

    Raises:
        UserError: there is none, or it cannot be had.
    """
    path = check_input(key, value)
    if is_url(value):
        fetch_input(value, path, console)
    return path


def fetch_input(url: str, path: Path, console: Console) -> None:
    """Fetch the whole of what is at an address, unless an earlier job did."""
    if not path.exists():
        check_yt_dlp(url)
        console.print(f"fetching {url} …")
        download(url, path)


def name_of(url: str) -> str:
    """A file name for an address: its readable end, and what tells it from all others.

    >>> name_of("https://example.org/talks/the first.mp4?x=1")
    'the-first.mp4-x-1_38dd51ce'
    """
    end = re.sub(r"[^\w.]+", "-", url.rstrip("/").rpartition("/")[2]).strip("-.")[-60:]
    return f"{end or 'download'}_{hashlib.sha256(url.encode()).hexdigest()[:8]}"
