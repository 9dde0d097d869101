"""Files that were put one behind the other in one (`cat a.mp4 b.mp4`)."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from w2l.media import tell_once

_TS = rb"G(?=.{187}G.{187}G)"
# How a file begins that may follow another one.
_BEGINNING = re.compile(
    rb"\0\0\0.ftyp|RIFF....(?:WAVE|AVI |WEBP)|\x1a\x45\xdf\xa3|OggS\0|FLV\x01|fLaC|"
    rb"\0\0\x01\xba|\x30\x26\xb2\x75\x8e\x66\xcf\x11|" + _TS,
    re.DOTALL,
)
_STREAM = rb"\0\0\x01\xba|fLaC|OggS|ID3|\xff[\xfa\xfb\xf2\xf3]"  # told by no length where it ends
_MPEG2 = rb"\0\0\x01\xb3"
_H264 = rb"\0\0\0\x01(?:\x09.\0\0\0\x01)?\x67[\x42\x4d\x58\x64\x6e\x7a\xf4]"  # its settings
_H264_ANY = rb"\0\0\0\x01[\x06\x09\x27\x67]"
_H265 = rb"\0\0\0\x01(?:\x46\x01.\0\0\0\x01)?\x40\x01\x0c"
# Formats of which FFmpeg reads the first file alone, or not all: how they begin, and which bytes
# are looked for, and are how another one begins.
_SEARCHED = (
    (rb"FLV\x01", b"FLV\x01", rb"FLV\x01[\x01\x04\x05]\0\0\0\x09"),
    (rb"RF64", b"RF64", rb"RF64....WAVE"),
    (rb"riff\x2e\x91\xcf\x11", b"riff\x2e\x91\xcf\x11", rb""),  # W64
    (rb"FORM", b"FORM", rb"FORM....AIF[FC]"),
    (rb"caff", b"caff", rb"caff\0\x01\0\0"),
    (rb"fLaC", b"fLaC", rb"fLaC[\0\x80]\0\0\x22"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", rb""),  # ASF
    (rb"DKIF", b"DKIF", rb"DKIF\0\0\x20\0"),
    (rb"YUV4MPEG2 ", b"YUV4MPEG2 ", rb""),
    (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01", b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", rb""),
    (_STREAM, b"RIFF", rb"RIFF....(?:WAVEfmt |AVI LIST)"),
    (_STREAM, b"ftyp", rb"ftyp(?:iso[m2-9]|mp4[12]|qt  |M4[AV] |avc1|dash)"),
    (_STREAM, b"\x1a\x45\xdf\xa3", rb"....{1,40}(?:matroska|webm)"),
    # Raw streams behind raw streams of another codec.
    (_MPEG2, b"\0\0\0\x01\x67", _H264),
    (_MPEG2, b"\0\0\0\x01\x40\x01", _H265),
    (_H264_ANY, b"\0\0\x01\xb3", rb""),
    (_H264_ANY, b"\0\0\0\x01\x40\x01", _H265),
    (_H265, b"\0\0\x01\xb3", rb""),
    (_H265, b"\0\0\0\x01\x67", _H264),
    # The first directory of a TIFF file, not that of a camera's notes: its first tag says so.
    (rb"II\*\0", b"II*\0", rb"II\*\0(?=.{4})"),
    (rb"MM\0\*", b"MM\0*", rb"MM\0\*(?=.{4})"),
)
# Images of one size begin alike: SGI, EXR, PCX, FITS, and the PNM kinds that no pipe is read of.
_ALIKE = re.compile(
    rb"\x01\xda[\0\1][\1\2].{16}|v/1\x01.{12}|\n\x05\x01.{13}|SIMPLE  =.{21}|"
    rb"P7\nWIDTH \d+\nHEIGHT|P[4Ff]\s\d+\s\d+\s",
    re.DOTALL,
)
_TAIL = 16 * 188  # bytes at a file's end


def tell_joined(path: str | Path) -> None:
    """Say, once, that another file follows in it that is not read."""
    if is_joined(path):
        tell_once(
            f"{path} holds several files one behind the other, and the first alone is read whole: "
            "join them by a program that knows their formats (ffmpeg -f concat)."
        )


def is_joined(path: str | Path) -> bool:
    """Whether another file follows in it that is not read with the first one."""
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        if data[4:8] == b"ftyp":
            return any(_BEGINNING.match(data, at) for at in _boxes(data))
        if data[:4] == b"RIFF":
            return _follows_riff(data)
        if data[:4] == b"\x1a\x45\xdf\xa3":
            return _follows_matroska(data)
        if re.match(_TS, data, re.DOTALL):
            return not _ends_in_packets(data)
        if data[:4] == b"\0\0\x01\xba" and _ends_in_packets(data):
            return True
        if alike := _ALIKE.match(data):
            return data.find(alike[0], alike.end()) >= 0
        return any(
            re.match(begins, data, re.DOTALL)
            and any(_is_file(data, at, form) for at in _found(data, literal))
            for begins, literal, form in _SEARCHED
        )


def _found(data: mmap.mmap, literal: bytes) -> Iterator[int]:
    at = 0
    while (at := data.find(literal, at + 1)) >= 0:
        yield at


def _is_file(data: mmap.mmap, at: int, form: bytes) -> bool:
    if not re.compile(form, re.DOTALL).match(data, at):
        return False
    if data[at : at + 4] not in {b"II*\0", b"MM\0*"}:
        return True
    order: Literal["little", "big"] = "little" if data[at : at + 1] == b"I" else "big"
    tags = at + int.from_bytes(data[at + 4 : at + 8], order)
    return int.from_bytes(data[tags + 2 : tags + 4], order) in {254, 256}


def _boxes(data: mmap.mmap) -> Iterator[int]:
    """Where the boxes of an mp4 begin, from the second one on."""
    at = 0
    while (size := int.from_bytes(data[at : at + 4], "big")) == 1 or size >= 8:
        at += int.from_bytes(data[at + 8 : at + 16], "big") or len(data) if size == 1 else size
        if at >= len(data):  # a length that is not true may be any number
            return
        yield at


def _follows_riff(data: mmap.mmap) -> bool:
    """Of wav files the first alone is read, of AVI files all."""
    kind, at = data[8:12], 0
    while data[at : at + 4] == b"RIFF" and data[at + 8 : at + 11] == kind[:3]:
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if _BEGINNING.match(data, at + 1):  # chunks have an even length, which some do not count
            at += 1
        if kind != b"AVI ":
            break
    return _BEGINNING.match(data, at) is not None


def _follows_matroska(data: mmap.mmap) -> bool:
    """Matroska behind Matroska is read; where a length is not stated nobody knows."""
    at = 0
    while data[at : at + 4] in {b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"}:  # header, segment
        first = data[at + 4 : at + 5] or b"\0"
        width = 9 - first[0].bit_length()
        size = int.from_bytes(data[at + 4 : at + 4 + width], "big") & ((1 << 7 * width) - 1)
        if width > 8 or size == (1 << 7 * width) - 1:
            return False
        at += 4 + width + size
    return _BEGINNING.match(data, at) is not None


def _ends_in_packets(data: mmap.mmap) -> bool:
    """Whether the end of a file is that of a transport stream, perhaps cut off, or nothing."""
    tail = data[-_TAIL:]
    starts = (tail[phase::188] for phase in range(188))
    return not tail.strip(b"\0") or any(not each.strip(b"G") for each in starts)
