"""Files that were put one behind the other in one (`cat a.mp4 b.mp4`)."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

# Formats of which FFmpeg reads the first file alone, or not all: how they begin.
_MP4, _WAV = rb"\0\0\0.ftyp", rb"RIFF....WAVE"
# Of the others a second beginning is looked for, by bytes that it begins with.
_SEARCHED = {
    b"FLV\x01": rb"FLV\x01[\x01\x04\x05]\0\0\0\x09",
    b"RF64": rb"RF64....WAVE",
    b"riff\x2e\x91\xcf\x11": rb"riff",  # W64
    b"FORM": rb"FORM....AIF[FC]",
    b"caff": rb"caff\0\x01\0\0",
    b"fLaC": rb"fLaC[\0\x80]\0\0\x22",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": rb"0",  # ASF
    b"DKIF": rb"DKIF\0\0\x20\0",
    b"YUV4MPEG2 ": rb"Y",
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02": rb"\x06",  # MXF
}


def is_joined(path: str | Path) -> bool:
    """Whether another file of the same kind follows in it, so that it is not read whole."""
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        if re.match(_MP4, data, re.DOTALL):
            return any(re.match(_MP4, data[at : at + 8], re.DOTALL) for at in _boxes(data))
        if re.match(_WAV, data, re.DOTALL):
            end = 8 + int.from_bytes(data[4:8], "little")
            return any(re.match(_WAV, data[at : at + 12], re.DOTALL) for at in (end, end + 1))
        for literal, form in _SEARCHED.items():
            if data[: len(literal)] == literal:
                beginning, at = re.compile(form, re.DOTALL), 0
                while (at := data.find(literal, at + 1)) >= 0:
                    if beginning.match(data, at):
                        return True
    return False


def _boxes(data: mmap.mmap) -> Iterator[int]:
    """Where the boxes of an mp4 begin, from the second one on."""
    at = 0
    while (size := int.from_bytes(data[at : at + 4], "big")) == 1 or size >= 8:
        at += int.from_bytes(data[at + 8 : at + 16], "big") or len(data) if size == 1 else size
        yield at
