"""Clips from addresses: what cannot be had is rejected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from preprocess.rejection import NOT_DOWNLOADED, RejectedError
from w2l import download as downloads
from w2l.components import Clip


def check_downloader(clips: Iterable[Clip]) -> None:
    """See that yt-dlp is there, if one of `clips` must still be downloaded.

    Raises:
        UserError: it is not.
    """
    for clip in clips:
        if clip.url and not clip.path.exists():
            downloads.check_yt_dlp(clip.url)
            return


def download(url: str, path: Path) -> None:
    """Fetch a video unless it is there, as `w2l.download.download`.

    Raises:
        RejectedError: it cannot be had.
        UserError: it cannot be written.
    """
    try:
        downloads.download(url, path)
    except downloads.NotDownloadedError as error:
        raise RejectedError("download", NOT_DOWNLOADED, str(error)) from error
