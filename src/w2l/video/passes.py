"""Codecs that images pass through on their way to a score: components of `chain=`.

Published scoring writes images to files by FFmpeg and OpenCV, and reads them back. A pass gives
the same pixels without the files: FFmpeg's encoder with the same settings, and the decoder behind
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import reduce
from itertools import chain
from typing import Protocol

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from w2l.video.jpeg import JpegEncoder, from_bgr, full_range
from w2l.windows import FPS

BICUBIC = 0x4  # SWS_BICUBIC: what FFmpeg's command and OpenCV convert with


class FramePass(Protocol):
    """Images of one size, in order, through a codec: as many come out, in the same order."""

    def __call__(self, images: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """Each image as it is after the codec; each call starts anew."""
        ...


class Jpeg:
    """A JPEG file of each image by FFmpeg's `-f image2`, read back by OpenCV.

    Args:
        quantizer: FFmpeg's `-q:v`, 1 to 31; None: its default, a rate control that aims at
            200 kb/s and carries state from image to image.
    """

    def __init__(self, quantizer: int | None = None) -> None:
        check_quantizer(quantizer)
        self.quantizer = quantizer

    def __call__(self, images: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """See `FramePass`; BGR comes out."""
        encoder, reformatter = JpegEncoder(Fraction(FPS), self.quantizer), VideoReformatter()
        for image in images:
            to_jpeg = from_bgr if image.format.name == "bgr24" else full_range
            yield VideoFrame.from_ndarray(encoder(to_jpeg(image, reformatter)), "bgr24")


class Mpeg4:
    """OpenCV's `VideoWriter` with "XVID" or "mp4v", read back: MPEG-4 in 4:2:0, bit for bit."""

    def __call__(self, images: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """See `FramePass`; 4:2:0 comes out."""
        encoder: VideoCodecContext | None = None
        decoder = av.CodecContext.create("mpeg4", "r")
        reformatter = VideoReformatter()
        for number, image in enumerate(images):
            if encoder is None:
                encoder = self._open(image.width, image.height)
            plain = reformatter.reformat(image, format="yuv420p", interpolation=BICUBIC)
            # A new one: the type of a decoded image, I or P, would be kept.
            frame = VideoFrame.from_ndarray(plain.to_ndarray(), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            yield from _decoded(decoder, encoder.encode(frame))
        if encoder is not None:
            yield from _decoded(decoder, [*encoder.encode(None), None])

    @staticmethod
    def _open(width: int, height: int) -> VideoCodecContext:
        """As OpenCV's writer sets it."""
        context = av.CodecContext.create("mpeg4", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
        context.bit_rate = int(FPS * width * height * 1.5)
        context.qmin, context.gop_size, context.thread_count = 3, 12, 1
        return context


def _decoded(decoder: VideoCodecContext, packets: Iterable[Packet | None]) -> Iterator[VideoFrame]:
    return chain.from_iterable(map(decoder.decode, packets))


def check_quantizer(quantizer: int | None) -> None:
    """Refuse what FFmpeg's `-q:v` does not take.

    Raises:
        ValueError: so.
    """
    if quantizer is not None and not 1 <= quantizer <= 31:
        raise ValueError(f"quantizer={quantizer} must be from 1 to 31")


def through(passes: Sequence[FramePass], images: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Images after all of the passes, one after the other."""
    return iter(reduce(lambda stream, each: each(stream), passes, images))


def bgr_through(passes: Sequence[FramePass], images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same for (H, W, 3) uint8 BGR."""
    frames = (VideoFrame.from_ndarray(np.ascontiguousarray(each), "bgr24") for each in images)
    for frame in through(passes, frames):
        yield frame.to_ndarray(format="bgr24")
