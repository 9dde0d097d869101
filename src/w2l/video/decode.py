"""Decoded pictures of a file with exact times, and their conversion to BGR arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from w2l.media import open_media, time_base, video_stream
from w2l.video.image import over_black

# Containers whose index leads to a key frame with true timestamps; elsewhere we never seek.
_INDEXED = {"mov", "mp4", "matroska", "webm"}
# How much earlier to seek when the key frame found lies after the wanted time (seconds).
_SEEK_MARGINS = (Fraction(0), Fraction(2), Fraction(10))

# SWS_BICUBIC | SWS_ACCURATE_RND, for conversions from BGR: without the latter they darken by a
# level. (To BGR, OpenCV's plain conversion is what everybody's networks have seen.)
ACCURATE = 0x4 | 0x40000

_TURNS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
}


class Timed(NamedTuple):
    """A decoded picture (time in exact seconds).

    It is shown from `time` until the next one's; the last one until `time + duration`.
    """

    time: Fraction
    duration: Fraction
    frame: VideoFrame


def decode(path: str | Path, rate: Fraction, at: Fraction | None = None) -> Iterator[Timed]:
    """Decode a video's pictures in the order they are shown.

    Damaged packets are skipped, and a file cut short ends at its last whole picture.

    Args:
        path: The video.
        rate: Its nominal frame rate, for pictures that carry no timestamp or duration.
        at: Start at a key frame no later than this time, where the container has an index;
            else at the first picture. The caller drops what is too early.
    """
    with open_media(path) as container:
        stream = video_stream(container, path)
        if at is not None and _INDEXED & set(container.format.name.split(",")):
            for margin in _SEEK_MARGINS:
                found = _from_key_frame(container, stream, rate, at, at - margin)
                if found is not None:
                    yield from found
                    return
            # No key frame early enough could be reached: start over from the first picture.
        else:
            yield from _timed(_frames(container, stream), stream, rate)
            return
    yield from decode(path, rate)


def _from_key_frame(
    container: InputContainer, stream: VideoStream, rate: Fraction, at: Fraction, target: Fraction
) -> Iterator[Timed] | None:
    """Pictures from a key frame that is shown at `at` or before; None if seeking missed it."""
    try:
        container.seek(int(target / time_base(stream)), stream=stream, backward=True)
    except (av.error.FFmpegError, OverflowError):  # beyond all that a file can hold
        return None
    timed = _timed(_frames(container, stream), stream, rate)
    for first in timed:
        # What precedes the key frame needs pictures that were not decoded.
        if first.frame.key_frame:
            return _chain(first, timed) if first.time <= at else None
    return None


def _chain(first: Timed, rest: Iterator[Timed]) -> Iterator[Timed]:
    yield first
    yield from rest


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):  # the end, or the file is cut short
            break
        try:
            yield from packet.decode()
        except av.error.FFmpegError:  # this packet is damaged, the next may not be
            continue
    try:
        yield from stream.codec_context.decode(None)
    except av.error.FFmpegError:  # EOFError where demuxing has flushed the decoder already
        return


def _timed(frames: Iterable[VideoFrame], stream: VideoStream, rate: Fraction) -> Iterator[Timed]:
    base = time_base(stream)
    shift, last = Fraction(0), None
    for frame in frames:
        # Durations are stored in coding order by some writers, so that the last picture may
        # come with a long one that belongs to another.
        duration = min(frame.duration * base, 1 / rate) if frame.duration else 1 / rate
        if frame.pts is None:
            time = last.time + last.duration if last is not None else Fraction(0)
        else:
            time = frame.pts * base + shift
            if last is not None and time <= last.time:
                # The clock was set back (spliced broadcasts): go on where we were.
                shift += last.time + last.duration - time
                time = last.time + last.duration
        last = Timed(time, duration, frame)
        yield last


class ToBgr:
    """Convert decoded pictures to upright BGR arrays of one size.

    The conversion is libswscale's with each picture's own matrix and range, and equals OpenCV's
    `VideoCapture` bit for bit (it uses the same library). Transparency is laid over black.

    Args:
        upright: (width, height) of the video after rotation.
        rotation: Degrees counter-clockwise by which pictures are to be turned.
        output: (width, height) to resize to (bilinear).
    """

    def __init__(self, upright: tuple[int, int], rotation: int, output: tuple[int, int]) -> None:
        self._turn = _TURNS.get(rotation)
        self._coded = upright[::-1] if rotation in (90, 270) else upright
        self._resize = output if output != upright else None
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Convert one picture to (H, W, 3) uint8 BGR, contiguous."""
        width, height = self._coded
        alpha = any(c.is_alpha for c in frame.format.components)
        picture: np.ndarray = self._reformatter.reformat(
            frame, width=width, height=height, format="bgra" if alpha else "bgr24"
        ).to_ndarray()
        if alpha:
            picture = over_black(picture)
        if self._turn is not None:
            picture = cv2.rotate(picture, self._turn)
        if self._resize is not None:
            picture = cv2.resize(picture, self._resize, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(picture)


def scaled_size(size: tuple[int, int], scale: Fraction) -> tuple[int, int]:
    """(width, height) times `scale`, truncated as the published resize factor is, at least 1."""
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
