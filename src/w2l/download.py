"""Videos from addresses: fetched once, by yt-dlp, into one folder."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any

from w2l.errors import UserError
from w2l.lock import only_writer
from w2l.offline import require_network

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class NotDownloadedError(UserError):
    """What is at an address cannot be had."""


def is_url(text: str) -> bool:
    """Whether it is an address, and no path."""
    return re.match(r"https?://", text, re.IGNORECASE) is not None


def check_yt_dlp(url: str) -> None:
    """See that yt-dlp is there, and may be used, for `url`.

    Raises:
        UserError: it is not, or the environment says W2L_OFFLINE=1.
    """
    require_network(url, "name a file")
    if find_spec("yt_dlp") is None:
        raise UserError(
            f'{url} is downloaded by yt-dlp, which is not installed: pip install "w2l[download]".'
        )


def download(url: str, path: Path) -> None:
    """Fetch a video unless it is there; it appears whole or not at all.

    Several processes may ask for the same one: the first fetches it, the others wait. What a
    killed run had fetched of it stays hidden beside `path`, and yt-dlp goes on from there.

    Args:
        url: what yt-dlp understands: a video's page, or the address of a file.
        path: the file it becomes, whatever its kind.

    Raises:
        NotDownloadedError: it cannot be had.
        UserError: it cannot be written.
    """
    if path.exists():
        return
    part = path.with_name(f".{path.name}.part")
    try:
        part.mkdir(parents=True, exist_ok=True)
        with only_writer(path, lambda: None):
            if not path.exists():
                _fetch(url, part)
                os.replace(_fetched(url, part), path)
                shutil.rmtree(part)
    except NotDownloadedError:
        with suppress(OSError):  # something was fetched: to go on from
            part.rmdir()
        raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _fetch(url: str, folder: Path) -> None:
    import yt_dlp

    class Downloader(yt_dlp.YoutubeDL):
        def prepare_filename(self, info_dict: dict[str, Any], *_: Any, **__: Any) -> str:
            """As given: yt-dlp's templates would expand `%(…)s` and `$…` in the folder's name."""
            return str(folder / f"video.{info_dict.get('ext') or 'mp4'}")

    options = {
        "noplaylist": True,
        "playlist_items": "1",  # of a page with several videos, the first
        "logger": _Silent(),
        "noprogress": True,
        "color": "never",
        "cachedir": False,
    }
    try:
        with Downloader(options) as downloader:
            downloader.download([url])
    except yt_dlp.utils.DownloadError as error:
        for cause in _causes(error):
            if isinstance(cause, yt_dlp.networking.exceptions.HTTPError):
                cause.close()  # yt-dlp leaves the connection open
            if isinstance(cause, OSError) and cause.errno in UNWRITABLE:
                raise cause from error
        detail = str(error).removeprefix("ERROR: ").partition("\n")[0]
        for tail in ("; please ", " (caused by "):
            detail = detail.partition(tail)[0]
        detail = shorten(detail, max(60, 230 - len(url)), placeholder=" …")
        raise NotDownloadedError(
            f"{url} cannot be downloaded ({detail}): check the address and the network."
        ) from error


def _fetched(url: str, folder: Path) -> Path:
    files = [path for path in folder.iterdir() if path.suffix not in {".part", ".ytdl"}]
    if len(files) != 1:
        shutil.rmtree(folder)  # another try begins anew
        raise NotDownloadedError(f"{url} gave {len(files)} files instead of one video.")
    return files[0]


def _causes(error: Any) -> Iterator[BaseException]:
    """What is behind yt-dlp's error, one behind the other."""
    seen: BaseException | None = error.exc_info[1] if error.exc_info else None
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path} cannot be written ({error.strerror}): free some space or choose another "
        "folder for what is written; what was downloaded stays."
    )


class _Silent:
    """yt-dlp's own lines would tear the progress bar; what matters is in its exception."""

    def debug(self, message: str) -> None:
        pass

    info = warning = error = debug
