"""Write images, with sound, as a file that appears whole or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from w2l.errors import UserError
from w2l.files import atomic_path
from w2l.media import time_base
from w2l.video.audio_track import AudioTrack
from w2l.video.codecs import CodecName, find_codec, find_encoder
from w2l.video.decode import ACCURATE
from w2l.video.look import Look
from w2l.video.probe import exact_rate

_MP4 = {".mp4", ".m4v", ".mov"}
# Sound is handed to the muxer this far ahead of the images, so that it need not hold many.
_AHEAD_S = Fraction(1, 2)
_LONGEST_DELAY_S = 60  # from an image's decoding to its showing: no encoder takes so long


class FrameSink(ABC):
    """A context into which images are written one by one; an error within leaves nothing.

    Attributes:
        path: where the result appears.
        size: (width, height) of the images.
    """

    path: Path
    size: tuple[int, int]
    _stack: ExitStack  # what closes, or takes back, what `__enter__` opened
    _written = 0

    def write(self, frame: np.ndarray) -> None:
        """Append one image: (height, width, 3) uint8 BGR."""
        if frame.shape != (self.size[1], self.size[0], 3) or frame.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 images of {self.size[0]}×{self.size[1]}, "
                f"not {frame.dtype} {frame.shape}"
            )
        self._append(frame)
        self._written += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self._written == 0:
                raise ValueError(f"no image was written to {self.path}")
            self._finish()

    @abstractmethod
    def _append(self, frame: np.ndarray) -> None:
        """Write image number `_written`."""

    @abstractmethod
    def _finish(self) -> None:
        """Write what comes after the last image."""


class VideoWriter(FrameSink):
    """Encode BGR images once, by one of the codecs of `CODECS`.

    All but FFV1 halve the colours' resolution, which needs even sizes, so an odd one is made even
    by repeating the last row or column: nothing is lost or moved. They carry the tags of `look`,
    and their numbers are made to fit them. FFV1 is RGB, bit-exact. In mp4 and mov the index is at
    the front.

    Memory is the encoder's look-ahead, whatever the length. Nothing is left behind on an error
    or an interrupt, and an earlier file at `path` stays as it was.

    Args:
        path: with an ending that fits the codec.
        fps: Frame rate (29.97 means 30000/1001).
        size: (width, height) of the images.
        audio: Sound to put beside them; None for none.
        codec: a name in `CODECS`.
        crf: Quality of h264, hevc and vp9, lower is better; None: the codec's own.
        preset: Speed of the encoder, of x264's names; None: the codec's own.
        metadata: Tags. Among those mp4 keeps are title, artist, comment, description, copyright
            (mov: not description).
        look: Colour tags and pixel shape; None: the defaults of `Look`, and none on RGB. (The
            pixels' shape has no place in VP9, FFV1 and PyAV's Matroska.)

    Raises:
        UserError: the file name does not fit the codec, there is no encoder for it, or the file
            cannot be written.

    Example:
        >>> with VideoWriter("out.mp4", 25, (96, 96)) as writer:  # doctest: +SKIP
        ...     writer.write(np.zeros((96, 96, 3), np.uint8))
    """

    def __init__(
        self,
        path: str | Path,
        fps: Fraction | float,
        size: tuple[int, int],
        audio: AudioTrack | None = None,
        codec: CodecName = "h264",
        crf: int | None = None,
        preset: str | None = None,
        metadata: Mapping[str, str] | None = None,
        look: Look | None = None,
    ) -> None:
        self.path = Path(path)
        self._codec, self._encoder = find_codec(codec, path), find_encoder(codec)
        self.fps = exact_rate(fps)
        self.size = size
        self._audio, self._look = audio, look
        given = {"crf": crf, "preset": preset}
        refined = self._codec.refined if preset is None else {}
        chosen = {k: str(v) for k, v in given.items() if v is not None}
        self._options = {**self._codec.options, **refined, **chosen}
        self._metadata = dict(metadata or {})
        self._reformatter = VideoReformatter()

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            self._container = self._open(temporary)
            stack.callback(self._abandon)
            self._video = self._add_video()
            self._sound: Iterator[Packet] = iter(())
            if self._audio is not None:
                self._sound = self._audio.add_to(self._container, self._codec.lossless_sound)
            self._waiting: Packet | None = next(self._sound, None)
            self._stack = stack.pop_all()
        return self

    def _append(self, frame: np.ndarray) -> None:
        image = self._converted(frame)
        image.pts, image.time_base = self._written, 1 / self.fps
        try:
            packets = self._video.encode(image)
        except av.error.FFmpegError as error:
            raise UserError(
                f"{self.path} cannot be written: {self._encoder} takes no images of "
                f"{image.width}×{image.height} ({error}): set height=…, or codec=ffv1."
            ) from error
        self._mux_frames(packets)
        self._mux_sound(self._written / self.fps + _AHEAD_S)

    def _finish(self) -> None:
        self._mux_frames(self._video.encode(None))
        self._mux_sound(None)
        self._container.close()

    def _open(self, temporary: Path) -> OutputContainer:
        options = {}
        if self.path.suffix.lower() in _MP4:
            # Edit lists count in movie time: at the sound's own rate they are exact.
            timescale = self._audio.sample_rate if self._audio else 90_000
            options = {"movflags": "+faststart", "movie_timescale": str(timescale)}
        container = av.open(f"file:{temporary}", "w", options=options)
        container.metadata.update(self._metadata)
        return container

    def _add_video(self) -> VideoStream:
        stream = cast(
            VideoStream, self._container.add_stream(self._encoder, self.fps, self._options)
        )
        stream.pix_fmt = self._codec.pix_fmt
        odd = 0 if self._codec.is_rgb else 1
        stream.width, stream.height = (side + (side & odd) for side in self.size)
        context = stream.codec_context
        context.thread_count = 2
        if self._encoder == "libx265" and self.path.suffix.lower() in _MP4:
            context.codec_tag = "hvc1"  # Apple's players know no other
        if not self._codec.is_rgb:
            look = self._look or Look()
            context.colorspace, context.color_range = look.matrix, look.range
            if look.pixel_aspect != 1:
                context.sample_aspect_ratio = look.pixel_aspect
        elif self._look is not None:
            look = self._look
        else:
            return stream
        context.color_primaries, context.color_trc = look.primaries, look.transfer
        return stream

    def _converted(self, frame: np.ndarray) -> VideoFrame:
        if self._codec.is_rgb:
            image = VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame), format="bgr24")
            return self._reformatter.reformat(image, format=self._codec.pix_fmt)
        odd = (self.size[1] % 2, self.size[0] % 2)
        if any(odd):
            frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        image = VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame), format="bgr24")
        look = self._look or Look()
        image = self._reformatter.reformat(
            image,
            format=self._codec.pix_fmt,
            interpolation=ACCURATE,
            dst_colorspace=look.sws_matrix,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if look.is_full else ColorRange.MPEG,
        )
        # ProRes takes its tags from each image, not from the stream.
        image.colorspace, image.color_range = look.matrix, look.range
        image.color_primaries, image.color_trc = look.primaries, look.transfer
        return image

    def _mux_frames(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            # Of a video of one or two images libx265 leaves the decoding times as memory was.
            if packet.pts is not None and packet.dts is not None:
                delay_s = (packet.pts - packet.dts) * time_base(packet)
                packet.dts = packet.dts if 0 <= delay_s <= _LONGEST_DELAY_S else packet.pts
            self._container.mux(packet)

    def _mux_sound(self, until: Fraction | None) -> None:
        """Write the sound up to a time; None for all of it.

        Raises:
            UserError: it is damaged: neither taken over as it is nor encoded.
        """
        try:
            while (packet := self._waiting) is not None:
                time = (packet.pts or 0) * time_base(packet)
                if until is not None and time > until:
                    return
                self._container.mux(packet)
                self._waiting = next(self._sound, None)
        except (av.error.InvalidDataError, av.error.ArgumentError) as error:
            assert self._audio is not None
            raise UserError(
                f"The sound of {self._audio.path} is damaged and cannot be stored in {self.path}: "
                "convert it to wav, and give that."
            ) from error

    def _abandon(self) -> None:
        # After an error the trailer may fail too; the first error is the one to report.
        with suppress(av.error.FFmpegError):
            self._container.close()
