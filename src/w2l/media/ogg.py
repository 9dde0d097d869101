"""Ogg files of recordings put one after the other, whose sound changes between them.

FFmpeg reads up to where the number of channels or the rate changes, and no further; in FLAC it goes
on, with timestamps counted by the first rate.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PAGE, _HEADER, _FIRST = (
    b"OggS",
    27,
    2,
)  # a page's beginning, its bytes, the flag of a stream's first
# Where a stream's first page states rate and channels, by how it begins.
_STATED = {
    b"\x01vorbis": slice(11, 16),
    b"OpusHead": slice(9, 10),
    b"Speex   ": slice(36, 52),
    b"\x7fFLAC": slice(27, 30),
}


class _Link(NamedTuple):
    start: int  # of its bytes in the file
    kind: tuple[bytes, bytes]


def changed_links(path: str | Path) -> list[tuple[int, int]]:
    """Bytes (start, stop) of each recording, from the first one on whose sound is another.

    None where all are alike, or where several streams lie beside each other.
    """
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        links = list(_links(data))
        starts = [link.start for link in links] + [len(data)]
    for number, link in enumerate(links):
        if link.kind != links[0].kind:
            return list(zip(starts[number:-1], starts[number + 1 :], strict=True))
    return []


def _links(data: mmap.mmap) -> Iterator[_Link]:
    at, last = 0, -1
    while len(head := data[at : at + _HEADER]) == _HEADER and head[:4] == _PAGE:
        lengths = data[at + _HEADER : at + _HEADER + head[26]]
        body = at + _HEADER + len(lengths)
        if head[5] & _FIRST:
            if last == at:  # streams beside each other
                return
            yield _Link(at, _kind(data[body : body + 64]))
            last = body + sum(lengths)
        at = body + sum(lengths)


def _kind(first: bytes) -> tuple[bytes, bytes]:
    for magic, stated in _STATED.items():
        if first.startswith(magic):
            return magic, first[stated]
    return first[:5], b""
