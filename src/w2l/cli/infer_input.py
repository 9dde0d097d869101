"""The keys of `infer.py` that name what is read: files, folders of pictures, addresses."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from rich.console import Console

from w2l.download import check_yt_dlp, download, is_url
from w2l.errors import UserError

DOWNLOADS = Path("outputs/infer/downloads")
SOUNDS = ("audio", "voice")
INPUTS = ("face", *SOUNDS)


def check_given(settings: dict[str, Any]) -> None:
    """See that a job says what is to speak, and what is to be said.

    Raises:
        UserError: naming the missing keys.
    """
    restores = settings["mode"] == "restore"
    silent = restores or settings["people"] or settings["person"] == "tracks"
    needed = ["face"] if silent else ["audio", "face"]
    missing = [key for key in needed if settings[key] is None]
    if missing:
        raise UserError(f"Missing: {', '.join(f'{key}=…' for key in missing)}.")


def find_input(settings: dict[str, Any], key: str, console: Console) -> Path:
    """The file that `key` names, fetched where it is an address.

    Args:
        settings: of the job.
        key: one of `INPUTS`; a face may be a folder of pictures.
        console: says when something is fetched.

    Raises:
        UserError: there is none, or it cannot be had.
    """
    value = str(settings[key])
    if is_url(value):
        return fetch_input(value, console)
    path = Path(value).expanduser()
    if path.is_dir() and key == "face":
        return path
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise UserError(f"{key}={path} {what}: check the path.")
    return path


def fetch_input(url: str, console: Console) -> Path:
    """The whole of what is at an address, fetched once and kept in `DOWNLOADS`."""
    path = DOWNLOADS / name_of(url)
    if not path.exists():
        check_yt_dlp(url)
        console.print(f"fetching {url} …")
        download(url, path)
    return path


def name_of(url: str) -> str:
    """A file name for an address: its readable end, and what tells it from all others.

    >>> name_of("https://example.org/talks/the first.mp4?x=1")
    'the-first.mp4-x-1_38dd51ce'
    """
    end = re.sub(r"[^\w.]+", "-", url.rstrip("/").rpartition("/")[2]).strip("-.")[-60:]
    return f"{end or 'download'}_{hashlib.sha256(url.encode()).hexdigest()[:8]}"
