"""The JPEG files that published scoring dumps from a video and reads back, without the files.

`ffmpeg -i x -f image2 %06d.jpg` re-encodes each image with a rate control that aims at 200 kb/s
and carries state from image to image, in full-range 4:2:0; LSE figures in the literature
contain its loss. `jpeg_frames` gives the same pixels as FFmpeg 5.1's command and OpenCV's reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from w2l.video.decode import ACCURATE
from w2l.video.reader import VideoReader

_BIT_RATE = 200_000  # a second: FFmpeg's default for every encoder
LAMBDA = 118  # FF_QP2LAMBDA: what FFmpeg's encoders count quantizers in
# From limited range (16–235, chroma 16–240) to full range, rounded. By table, because versions of
# libswscale round differently.
_LEVELS = np.arange(256)
_LUMA = np.clip(np.rint((_LEVELS - 16) * 255 / 219), 0, 255).astype(np.uint8)
_CHROMA = np.clip(np.rint((_LEVELS - 128) * 255 / 224 + 128), 0, 255).astype(np.uint8)


def jpeg_frames(path: str | Path, fps: Fraction | float | None = None) -> Iterator[np.ndarray]:
    """A video's images as published scoring sees them.

    The decoder's 4:2:0 planes go to the JPEG encoder directly, as in FFmpeg's command. A rotated
    video is turned first, through BGR, which is not bit-exact.

    Args:
        path: A video.
        fps: Constant rate to read it at; None for its own (FFmpeg's image output makes the rate
            constant too: gaps in the timestamps repeat an image).

    Yields:
        (H, W, 3) uint8 BGR.

    Raises:
        UserError: no video.
    """
    info = VideoReader(path).info
    reader = VideoReader(path, fps=fps or info.fps, deinterlace=False)
    if any(info.orientation) or info.is_image:
        yield from jpeg_roundtrip(reader, reader.fps)
        return
    encoder, reformatter = JpegEncoder(reader.fps), VideoReformatter()
    for frame in reader.decoded():
        yield encoder(full_range(frame, reformatter))


def jpeg_roundtrip(
    frames: Iterable[np.ndarray], fps: Fraction | float = 25
) -> Iterator[np.ndarray]:
    """The same for images that never were a file: (H, W, 3) uint8 BGR of one size, in order."""
    encoder, reformatter = JpegEncoder(Fraction(fps)), VideoReformatter()
    for frame in frames:
        image = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
        yield encoder(from_bgr(image, reformatter))


class JpegEncoder:
    """FFmpeg's JPEG encoder, and OpenCV's decoder behind it.

    Args:
        fps: of the images.
        quantizer: FFmpeg's `-q:v`; None: the default rate control.
    """

    def __init__(self, fps: Fraction, quantizer: int | None = None) -> None:
        self._fps, self._quantizer = fps, quantizer
        self._context: VideoCodecContext | None = None
        self._n = 0

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        if self._context is None:
            self._context = self._open(frame)
        frame.pts, frame.time_base = self._n, 1 / self._fps
        self._n += 1
        (packet,) = self._context.encode(frame)
        image = cv2.imdecode(np.frombuffer(bytes(packet), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return image

    def _open(self, frame: VideoFrame) -> VideoCodecContext:
        context = av.CodecContext.create("mjpeg", "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuvj420p"
        context.time_base, context.framerate = 1 / self._fps, self._fps
        context.bit_rate = _BIT_RATE
        if self._quantizer is not None:
            context.options = {"flags": "+qscale"}
            context.global_quality = self._quantizer * LAMBDA
        # Known square pixels add a JFIF header, whose bits the rate control counts.
        context.sample_aspect_ratio = Fraction(1)
        # One thread: with several, each would have its own rate control.
        context.thread_count = 1
        return context


def full_range(frame: VideoFrame, reformatter: VideoReformatter) -> VideoFrame:
    """A decoded image as full-range 4:2:0."""
    full = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = reformatter.reformat(frame, format="yuv420p")
    image = VideoFrame(frame.width, frame.height, "yuvj420p")
    for i, table in enumerate((_LUMA, _CHROMA, _CHROMA)):
        values = _plane(frame, i)
        _plane(image, i)[:] = values if full else table[values]
    return image


def is_full_range(frame: VideoFrame) -> bool:
    """Whether its levels go from 0 to 255."""
    name = frame.format.name
    return name.startswith(("yuvj", "bgr", "rgb")) or frame.color_range == ColorRange.JPEG


def from_bgr(frame: VideoFrame, reformatter: VideoReformatter) -> VideoFrame:
    """The same of an image that never was in a file: BGR."""
    return reformatter.reformat(
        frame,
        format="yuvj420p",
        interpolation=ACCURATE,
        dst_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
    )


def _plane(frame: VideoFrame, index: int) -> np.ndarray:
    """A view on one plane: (height, width) uint8."""
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
