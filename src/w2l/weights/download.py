"""One file over HTTP into a `.part` file: resumed where it was cut off, watched while it comes."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO

import w2l
from w2l.weights.catalog import megabytes

CHUNK_BYTES = 1 << 18
ATTEMPTS_WITHOUT_PROGRESS = 3
BUSY = {408, 425, 429, 500, 502, 503, 504}  # HTTP states that a moment's wait may end

Report = Callable[[int, int | None], None]
"""Called with the bytes had so far and the bytes in all, where known."""


class DownloadError(Exception):
    """This address does not give the file; the text says why in a clause.

    Attributes:
        unreachable: nothing answered at all, as without a network.
    """

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


class _CutOffError(Exception):
    """The connection ended early; what came is kept, and the rest can be asked for."""

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


def _silent(had: int, total: int | None) -> None:
    """A report that goes nowhere."""


def is_html(head: bytes) -> bool:
    """Whether a file that starts so is a web page."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype html", b"<html", b"<head", b"<!--", b"<?xml"))


def download(
    url: str,
    part: Path,
    size: int | None,
    *,
    timeout_s: float = 30.0,
    pause_s: float = 1.0,
    progress: Report | None = None,
) -> None:
    """Fetch `url` into `part`, going on after the bytes already there.

    A dropped connection is taken up again as long as bytes keep coming. Only the length is
    checked here; the content is the caller's to verify.

    Args:
        url: http or https address.
        part: the unfinished file; kept when the connection drops, removed when it is no use.
        size: bytes of the whole file, where known.
        timeout_s: seconds of silence after which a connection counts as dropped.
        pause_s: seconds before the first retry; doubled each time.
        progress: told after each chunk.

    Raises:
        DownloadError: the address does not give the file.
        OSError: the disk is full or cannot be written.
    """
    best = started = part.stat().st_size if part.exists() else 0
    failures = 0
    while True:
        had = part.stat().st_size if part.exists() else 0
        if size is not None and had > size:
            part.unlink()  # an overlapping resume: nothing in it can be trusted
            had = 0
        if had == size:
            return
        try:
            _request(url, part, had, size, timeout_s, progress or _silent)
            return
        except _CutOffError as error:
            now = part.stat().st_size if part.exists() else 0
            failures = 0 if now > best else failures + 1
            best = max(best, now)
            never_came = error.unreachable and best == started
            if never_came or failures >= ATTEMPTS_WITHOUT_PROGRESS:
                raise DownloadError(str(error), unreachable=error.unreachable) from error
            time.sleep(pause_s * 2**failures)


def _request(
    url: str, part: Path, had: int, size: int | None, timeout_s: float, progress: Report
) -> None:
    """One request for the bytes after the first `had`, appended to `part`."""
    headers = {"User-Agent": f"w2l/{w2l.__version__}", "Accept-Encoding": "identity"}
    if had:
        headers["Range"] = f"bytes={had}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and had:  # nothing after what is there: it was another file's start
            part.unlink()
            raise _CutOffError("it refuses to resume") from error
        reason = f"HTTP {error.code} {error.reason}"
        raise (_CutOffError if error.code in BUSY else DownloadError)(reason) from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        raise _CutOffError(f"no connection ({cause})", unreachable=True) from error
    with response:
        if response.headers.get_content_type() in {"text/html", "application/xhtml+xml"}:
            raise DownloadError("it sends an HTML page in place of the file")
        start, total = _extent(response.status, response.headers)
        if start != had:
            part.unlink(missing_ok=True)
            start = 0
            if response.status == 206:
                raise _CutOffError("it resumes at another place than asked")
        _check_total(total, size, part)
        with part.open("ab") as file:
            _copy(response, file, start, total if total is not None else size, progress)


def _extent(status: int, headers: Message) -> tuple[int, int | None]:
    """First byte that this response holds and the length of the whole file, where stated."""
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
        if match is None:
            return -1, None
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _check_total(total: int | None, size: int | None, part: Path) -> None:
    """Refuse an address whose file has another length than the published one."""
    if total is None or size is None or total == size:
        return
    part.unlink(missing_ok=True)
    kind = "a truncated file" if total < size else "another, longer file"
    raise DownloadError(f"it holds {kind}: {total} bytes where {size} were published")


def _copy(
    response: IO[bytes], file: IO[bytes], start: int, total: int | None, progress: Report
) -> None:
    """Append the body to `file`; a web page or too many bytes end it."""
    had = start
    progress(had, total)
    while True:
        try:
            chunk = response.read(CHUNK_BYTES)
        except http.client.IncompleteRead as error:
            chunk = error.partial
            file.write(chunk)
            raise _CutOffError(_cut_off(had + len(chunk), total)) from error
        except (OSError, http.client.HTTPException) as error:
            raise _CutOffError(f"{_cut_off(had, total)} ({error})") from error
        if had == 0 and is_html(chunk):
            raise DownloadError("it sends an HTML page in place of the file")
        if not chunk:
            break
        file.write(chunk)
        had += len(chunk)
        if total is not None and had > total:
            file.truncate(0)
            raise DownloadError(f"it sends more than the {total} bytes of the file")
        progress(had, total)
    if total is not None and had < total:
        raise _CutOffError(_cut_off(had, total))
    if had == 0:
        raise DownloadError("it sends an empty file")


def _cut_off(had: int, total: int | None) -> str:
    of = f" of {megabytes(total)}" if total else ""
    return f"the connection broke off after {megabytes(had)}{of}"
