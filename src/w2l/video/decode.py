"""Decoded images of a file with exact times, and their conversion to BGR arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from w2l.media import open_media, start_time, tell_once, time_base, video_stream
from w2l.media.clock import Clock, check_length, clock_of
from w2l.video.image import over_black
from w2l.video.moving import is_animated_webp, webp_images

_STRAIGHT = 0.01  # share of the larger entry up to which an entry of the matrix counts as 0
# One image for two fields, and only for those that are marked as such.
_FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
# Containers whose index leads to a key frame with true timestamps; elsewhere we never seek.
_INDEXED = {"mov", "mp4", "matroska", "webm"}
# Of stored images that come out of the decoder: some of VP8 and AV1 are not to be shown.
_MOST_LOST = 0.75
# How much earlier to seek when the key frame found lies after the wanted time (seconds).
_SEEK_MARGINS = (Fraction(0), Fraction(2), Fraction(10))
# SWS_BICUBIC | SWS_ACCURATE_RND, for conversions from BGR: without the latter they darken by a
# level. (To BGR, OpenCV's plain conversion is what everybody's networks have seen.)
ACCURATE = 0x4 | 0x40000


class Orientation(NamedTuple):
    """What makes a stored image upright, in this order.

    Attributes:
        transposed: rows become columns.
        mirrored: left and right change places.
        flipped: top and bottom change places.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """By the display matrix of a decoded image; as it is where there is none, or a slant."""
        # (PyAV's own types call the keys strings.)
        matrix = cast(Any, frame.side_data).get(Type.DISPLAYMATRIX)
        if matrix is None:
            return cls()
        # x' = ax + cy, y' = bx + dy
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(float)
        largest = max(abs(a), abs(b), abs(c), abs(d))
        if max(abs(b), abs(c)) <= _STRAIGHT * largest:
            return cls(False, a < 0, d < 0)
        if max(abs(a), abs(d)) <= _STRAIGHT * largest:
            return cls(True, c < 0, b < 0)
        return cls()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The image (H, W, 3) upright; H and W change places where it is transposed."""
        if self.transposed:
            image = cv2.transpose(image)
        if self.mirrored or self.flipped:
            image = cv2.flip(image, -1 if self.mirrored and self.flipped else int(self.mirrored))
        return image


def progressive(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Pass frames on as they come, and from the first interlaced one on through FFmpeg's bwdif."""
    graph: Graph | None = None
    kind = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None or kind != (frame.format.name, frame.width, frame.height):
            yield from _pull(graph, None)
            graph = _graph(frame)
            kind = (frame.format.name, frame.width, frame.height)
        yield from _pull(graph, frame)
    yield from _pull(graph, None)


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=time_base(frame),
    )
    graph.link_nodes(source, graph.add(*_FILTER), graph.add("buffersink")).configure()
    return graph


def _pull(graph: Graph | None, frame: VideoFrame | None) -> Iterator[VideoFrame]:
    if graph is None:
        return
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        graph.push(frame)
        while True:
            yield cast(VideoFrame, graph.pull())


class Timed(NamedTuple):
    """A decoded image (time in exact seconds).

    It is shown from `time` until the next one's; the last one until `time + duration`.
    """

    time: Fraction
    duration: Fraction
    frame: VideoFrame


def decode(
    path: str | Path, rate: Fraction, at: Fraction | None = None, *, deinterlace: bool = True
) -> Iterator[Timed]:
    """Decode a video's images in the order they are shown, timed by the file's clock.

    Damaged packets are skipped, and a file cut short ends at its last whole image.

    Args:
        path: The video.
        rate: Its nominal frame rate, for images that carry no timestamp or duration.
        at: Start at a key frame no later than this time, where the container has an index;
            else at the first image. The caller drops what is too early.
        deinterlace: Make whole images of those that are woven of two fields.

    Raises:
        UserError: as `open_media`, no video, or timestamps that the file has no bytes for.
    """
    if is_animated_webp(path):
        for time, duration, rgba in webp_images(path):
            yield Timed(time, duration, VideoFrame.from_ndarray(rgba, format="rgba"))
        return
    clock = clock_of(path)
    with open_media(path) as container:
        stream = video_stream(container, path)
        frames = _frames(container, stream, clock)
        indexed = _INDEXED & set(container.format.name.split(","))
        if at is not None and indexed and clock.is_steady(stream):
            for margin in _SEEK_MARGINS:
                found = _from_key_frame(container, stream, clock, at, at - margin)
                if found is not None:
                    found = progressive(found) if deinterlace else found
                    yield from _timed(found, clock, rate)
                    return
            # No key frame early enough could be reached: start over from the first image.
        else:
            frames = progressive(frames) if deinterlace else frames
            begin = None
            for timed in _timed(frames, clock, rate):
                begin = timed.time if begin is None else begin
                check_length(path, timed.time - begin)
                yield timed
            return
    yield from decode(path, rate, deinterlace=deinterlace)


def _from_key_frame(
    container: InputContainer, stream: VideoStream, clock: Clock, at: Fraction, target: Fraction
) -> Iterator[VideoFrame] | None:
    """Images from a key frame that is shown at `at` or before; None if seeking missed it."""
    try:
        ticks = int((target - clock.shift(stream)) / time_base(stream))
        container.seek(ticks, stream=stream, backward=True)
    except (av.error.FFmpegError, OverflowError):  # beyond all that a file can hold
        return None
    frames = _frames(container, stream, clock)
    for first in frames:
        # What precedes the key frame needs images that were not decoded.
        if first.key_frame:
            return chain([first], frames) if start_time(first) <= at else None
    return None


def _frames(container: InputContainer, stream: VideoStream, clock: Clock) -> Iterator[VideoFrame]:
    n_stored = n_decoded = 0
    for packet in chain(clock.packets(container, stream), [None]):
        if packet is not None and packet.size and not packet.is_discard:
            n_stored += 1
        # This packet is damaged, the next may not be; demuxing may have flushed the decoder.
        with suppress(av.error.FFmpegError):
            for frame in stream.codec_context.decode(packet):
                n_decoded += 1
                yield frame
    if n_decoded < _MOST_LOST * n_stored:
        name = container.name.removeprefix("file:")
        tell_once(
            f"of {n_stored} images of {name} only {n_decoded} can be decoded: the others are "
            "damaged, or stored another way than the first."
        )


def _timed(frames: Iterable[VideoFrame], clock: Clock, rate: Fraction) -> Iterator[Timed]:
    last: Timed | None = None
    for frame in frames:
        if last is not None:
            yield last
        # What is stored of durations may belong to another image: some writers store them in
        # coding order. Only of the last one is it needed, and the clock knows its end.
        duration = min(frame.duration * time_base(frame) or 1 / rate, 1 / rate)
        if last is None:
            time = start_time(frame)
        else:
            time = last.time if frame.pts is None else start_time(frame)
            if time <= last.time:  # the writer stumbled
                time = last.time + last.duration
        last = Timed(time, duration, frame)
    if last is not None:
        held = Fraction(0) if clock.end is None else clock.end - last.time
        yield last._replace(duration=held) if held > Fraction(3, 2) / rate else last


class ToBgr:
    """Convert decoded images to upright BGR arrays of one size.

    The conversion is libswscale's with each image's own matrix and range, and equals OpenCV's
    `VideoCapture` bit for bit (it uses the same library). Transparency is laid over black.

    Args:
        upright: (width, height) of upright images.
        orientation: Makes images upright.
        output: (width, height) to resize to (bilinear).
    """

    def __init__(
        self, upright: tuple[int, int], orientation: Orientation, output: tuple[int, int]
    ) -> None:
        self._orientation = orientation
        self._coded = upright[::-1] if orientation.transposed else upright
        self._resize = output if output != upright else None
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Convert one image to (H, W, 3) uint8 BGR, contiguous."""
        width, height = self._coded
        alpha = any(c.is_alpha for c in frame.format.components)
        image: np.ndarray = self._reformatter.reformat(
            frame, width=width, height=height, format="bgra" if alpha else "bgr24"
        ).to_ndarray()
        if alpha:
            image = over_black(image)
        image = self._orientation(image)
        if self._resize is not None:
            image = cv2.resize(image, self._resize, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(image)


def scaled_size(size: tuple[int, int], scale: Fraction) -> tuple[int, int]:
    """(width, height) times `scale`, truncated as the published resize factor is, at least 1."""
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
