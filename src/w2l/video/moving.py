"""Files that begin like a still image, and move: APNG, animated WebP and AVIF, and images (JPEG,
PNG, BMP, PNM) that lie one behind the other in one file, as pipes have them."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNM = re.compile(rb"P([56])\s(?:#[^\n]*\n)*\s*(\d+)\s+(\d+)\s+(\d+)\s")
_SHORTEST_MS, _DEFAULT_MS = 11, 100  # browsers show what lasts for less as long as the latter


def is_moving(path: str | Path) -> bool:
    """Whether a file holds more than one image of a kind that others take for a still."""
    with Path(path).open("rb") as file:
        head = file.read(64)
        if head.startswith(_PNG):
            return _png_moves(file)
        if head[4:12] == b"ftypavis" or _webp_moves(head):
            return True
        if head.startswith((b"BM", b"P5", b"P6")):
            return _plain_goes_on(file, head)
        if not head.startswith(_JPEG):
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _jpeg_goes_on(data)


def is_animated_webp(path: str | Path) -> bool:
    """Whether it is one, which FFmpeg cannot read."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _webp_moves(file.read(64))


def _webp_moves(head: bytes) -> bool:
    return (
        head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 2)
    )


def _png_moves(file: BinaryIO) -> bool:
    # The control chunk comes before the first image, and says how many there are.
    file.seek(len(_PNG))
    beginning = file.read(24)  # with the size
    file.seek(len(_PNG))
    while len(head := file.read(8)) == 8:
        if head[4:] == b"acTL":
            return int.from_bytes(file.read(4), "big") > 1
        file.seek(int.from_bytes(head[:4], "big") + 4, 1)
        if head[4:] == b"IEND":
            return file.read(32) == _PNG + beginning
    return False


def _plain_goes_on(file: BinaryIO, head: bytes) -> bool:
    """Whether another image of the same size follows a BMP or PNM, which say how long they are."""
    if head.startswith(b"BM"):
        file.seek(int.from_bytes(head[2:6], "little"))
        next_one = file.read(26)
        return next_one[:2] == b"BM" and next_one[18:] == head[18:26]
    if not (stated := _PNM.match(head)):
        return False
    kind, width, height, most = map(int, stated.groups())
    file.seek(stated.end() + width * height * (3 if kind == 6 else 1) * (2 if most > 255 else 1))
    return file.read(stated.end()) == stated[0]


class _Jpeg(NamedTuple):
    end: int  # of its bytes in the file
    size: bytes  # height and width as stored
    is_one_of_several: bool  # a still with further ones behind it: depth, a thumbnail, brightness


def _jpeg_goes_on(data: mmap.mmap) -> bool:
    first = _jpeg(data, 0)
    if first is None or first.is_one_of_several:
        return False
    at = first.end
    while data[at : at + 1] == b"\0":
        at += 1
    second = _jpeg(data, at) if data[at : at + 3] == _JPEG else None
    return second is not None and second.size == first.size


def _jpeg(data: mmap.mmap, at: int) -> _Jpeg | None:
    """The JPEG that begins at `at`; None where it is not whole."""
    at, size, several = at + 2, b"", False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xD9:
            return _Jpeg(at + 2, size, several)
        if marker == 0xFF:  # padding
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size = data[at + 5 : at + 9]
        several |= marker == 0xE2 and data[at + 4 : at + 8] == b"MPF\0"
        at += 2 + length
        if marker == 0xDA:  # compressed data, up to the next marker
            at = _next_marker(data, at)
    # The last marker ends the file, so that no length can follow it.
    return _Jpeg(at + 2, size, several) if data[at : at + 2] == b"\xff\xd9" else None


def _next_marker(data: mmap.mmap, at: int) -> int:
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] not in (0, *range(0xD0, 0xD8)):
            return at
        at += 2
    return len(data)


def webp_images(path: str | Path) -> Iterator[tuple[Fraction, Fraction, np.ndarray]]:
    """Time, duration (seconds) and RGBA array (H, W, 4) uint8 of an animated WebP's images.

    A file that is damaged ends at its last whole image.
    """
    time = Fraction(0)
    try:
        with Image.open(path) as image:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                rgba = np.asarray(image.convert("RGBA"))
                stated = int(image.info.get("duration", 0))
                duration = Fraction(stated if stated >= _SHORTEST_MS else _DEFAULT_MS, 1000)
                yield time, duration, rgba
                time += duration
    except (OSError, EOFError, ValueError, UnidentifiedImageError):
        return
