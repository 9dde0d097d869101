"""Write pictures, with sound, as a file that appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, cast

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from w2l.errors import UserError
from w2l.files import atomic_path
from w2l.video.audio_track import AudioTrack
from w2l.video.decode import ACCURATE
from w2l.video.rate import exact_rate

_SUFFIXES = {"h264": {".mp4", ".m4v", ".mov", ".mkv"}, "ffv1": {".mkv"}}
_H264_ENCODERS = ("libx264", "libopenh264", "h264")
_SMPTE170M = 6  # AVColorSpace: the matrix of BT.601
# Sound is handed to the muxer this far ahead of the pictures, so that it need not hold many.
_AHEAD_S = Fraction(1, 2)


class VideoWriter:
    """Encode BGR pictures once, as H.264 that browsers play or as lossless FFV1.

    `h264`: yuv420p, BT.601 matrix (so that readers which ignore the tag, and JPEG dumps, show
    the same colours) and tagged so, index at the front. 4:2:0 needs even sizes, so an odd one
    is made even by repeating the last row or column: nothing is lost or moved.
    `ffv1`: RGB, bit-exact, sound as PCM, in `.mkv`.

    Memory is the encoder's look-ahead, whatever the length. Nothing is left behind on an error
    or an interrupt, and an earlier file at `path` stays as it was.

    Args:
        path: `.mp4`, `.m4v`, `.mov` or `.mkv` for h264, `.mkv` for ffv1.
        fps: Frame rate (29.97 means 30000/1001).
        size: (width, height) of the pictures.
        audio: Sound to put beside them; None for none.
        codec: "h264" or "ffv1".
        crf: Quality of h264, lower is better; 16 is visually lossless.
        preset: Speed of the encoder, of x264's names.
        metadata: Tags. Among those mp4 keeps are title, artist, comment, description, copyright.

    Raises:
        UserError: the file name does not fit the codec, or the file cannot be written.

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
        codec: Literal["h264", "ffv1"] = "h264",
        crf: int = 16,
        preset: str = "fast",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        if codec not in _SUFFIXES:
            raise UserError(f"codec={codec} is not known: choose h264 or ffv1.")
        if self.path.suffix.lower() not in _SUFFIXES[codec]:
            allowed = " or ".join(sorted(_SUFFIXES[codec]))
            raise UserError(f"{path} cannot hold {codec}: let the name end in {allowed}.")
        self.fps = exact_rate(fps)
        self.size = size
        self._audio, self._codec, self._crf, self._preset = audio, codec, crf, preset
        self._metadata = dict(metadata or {})
        self._reformatter = VideoReformatter()
        self._written = 0

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            self._container = self._open(temporary)
            stack.callback(self._abandon)
            self._video = self._add_video()
            packets = self._audio.add_to(self._container) if self._audio else iter(())
            self._sound: Iterator[Packet] = packets
            self._waiting: Packet | None = next(self._sound, None)
            self._stack = stack.pop_all()
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append one picture: (height, width, 3) uint8 BGR."""
        if frame.shape != (self.size[1], self.size[0], 3) or frame.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 pictures of {self.size[0]}×{self.size[1]}, "
                f"not {frame.dtype} {frame.shape}"
            )
        picture = self._converted(frame)
        picture.pts, picture.time_base = self._written, 1 / self.fps
        self._container.mux(self._video.encode(picture))
        self._mux_sound(self._written / self.fps + _AHEAD_S)
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
                raise ValueError(f"no picture was written to {self.path}")
            self._container.mux(self._video.encode(None))
            self._mux_sound(None)
            self._container.close()

    def _open(self, temporary: Path) -> OutputContainer:
        options = {}
        if self.path.suffix.lower() != ".mkv":
            # Edit lists count in movie time: at the sound's own rate they are exact.
            timescale = self._audio.sample_rate if self._audio else 90_000
            options = {"movflags": "+faststart", "movie_timescale": str(timescale)}
        container = av.open(f"file:{temporary}", "w", options=options)
        container.metadata.update(self._metadata)
        return container

    def _add_video(self) -> VideoStream:
        if self._codec == "ffv1":
            options = {"level": "3", "g": "1", "slices": "4", "slicecrc": "1"}
            stream = self._add_stream("ffv1", options)
            stream.pix_fmt = "bgr0"
            stream.width, stream.height = self.size
        else:
            options = {"crf": str(self._crf), "preset": self._preset}
            stream = self._add_stream(_h264_encoder(), options)
            stream.pix_fmt = "yuv420p"
            stream.width, stream.height = (side + side % 2 for side in self.size)
            context = stream.codec_context
            context.colorspace, context.color_range = _SMPTE170M, ColorRange.MPEG
            context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        stream.codec_context.thread_count = 2
        return stream

    def _add_stream(self, encoder: str, options: dict[str, str]) -> VideoStream:
        return cast(VideoStream, self._container.add_stream(encoder, self.fps, options))

    def _converted(self, frame: np.ndarray) -> VideoFrame:
        if self._codec == "ffv1":
            picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
            return self._reformatter.reformat(picture, format="bgr0")
        odd = (self.size[1] % 2, self.size[0] % 2)
        if any(odd):
            frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
        return self._reformatter.reformat(
            picture,
            format="yuv420p",
            interpolation=ACCURATE,
            dst_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )

    def _mux_sound(self, until: Fraction | None) -> None:
        """Write the sound up to a time; None for all of it."""
        while (packet := self._waiting) is not None:
            time = (packet.pts or 0) * packet.time_base
            if until is not None and time > until:
                return
            self._container.mux(packet)
            self._waiting = next(self._sound, None)

    def _abandon(self) -> None:
        # After an error the trailer may fail too; the first error is the one to report.
        with suppress(av.error.FFmpegError):
            self._container.close()


def _h264_encoder() -> str:
    for name in _H264_ENCODERS:
        try:
            return av.codec.Codec(name, "w").name
        except av.codec.codec.UnknownCodecError:
            continue
    raise UserError("This PyAV has no H.264 encoder: install av from its wheel, or use codec=ffv1.")
