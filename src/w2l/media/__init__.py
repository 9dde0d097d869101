"""Opening media files: local paths only, and every failure is one sentence that names the file.

Below `audio` and `video`, which both decode.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from w2l.errors import UserError

logger = logging.getLogger(__name__)
# FFmpeg opens any text file as ANSI art ("tty"); nobody means that.
_NOT_MEDIA = {"tty"}
_JPEG = b"\xff\xd8\xff"
MOST_PIXELS = 2**27  # of an image or a frame: 134 million, 16 times those of 4K
# Tags in another encoding than UTF-8 are no reason to refuse a file; PyAV 19 does so by itself.
_ANY_TAGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


class Ratio(Protocol):
    """A rate or a unit of time as PyAV gives it: a Fraction, or from 19 on a class of its own."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


@contextmanager
def open_media(path: str | Path) -> Iterator[InputContainer]:
    """Open a local media file for reading; it is closed when the block ends.

    Raises:
        UserError: missing, a folder, empty, unreadable, or no media file.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist: check the path.")
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a media file: name a file in it.")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty: copy or download it again.")
    try:
        # "file:" so that a name with a colon is no address, and the whitelist so that a
        # playlist posing as a video cannot reach the network.
        with path.open("rb") as file:
            # By its name FFmpeg would take it for a still.
            form = "mjpeg" if file.read(3) == _JPEG else None
        container = av.open(
            f"file:{path}", format=form, options={"protocol_whitelist": "file"}, **_ANY_TAGS
        )
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: check its permissions.") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise UserError(
            f"{path} is no media file that can be read, or it is damaged: "
            "check that it plays, or convert it (images to mp4, sound to wav)."
        ) from error
    with container:
        if container.format.name in _NOT_MEDIA:
            raise UserError(f"{path} is a text file, not a video or sound: name a media file.")
        yield container


@lru_cache(maxsize=1024)
def tell_once(text: str) -> None:
    """Warn of what is lost of a file, which may be read several times."""
    logger.warning("warning: %s", text)


def moving_images(container: InputContainer) -> list[VideoStream]:
    """The video streams of an open file that are no cover art."""
    streams = container.streams.video
    return [each for each in streams if not each.disposition & Disposition.attached_pic]


def video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    """The moving image that players show: the default one, else the first (cover art is none).

    It is set to decode on 2 threads.

    Raises:
        UserError: there is none, its codec is not known, or it has too many pixels.
    """
    moving = moving_images(container)
    if not moving:
        raise UserError(f"{path} has no video stream: name a video or an image.")
    # An animated AVIF comes with its first image as a stream of its own.
    stream = max(moving, key=lambda each: (_is_default(each), each.frames != 1))
    context = _decoder(stream, path)
    check_pixels(path, context.width, context.height)
    # Images that grow on the way are damaged packets.
    context.options = {**context.options, "max_pixels": str(MOST_PIXELS)}
    context.thread_type = "AUTO"
    context.thread_count = 2
    return stream


def sound_stream(
    container: InputContainer, path: str | Path, track: int | None = None
) -> AudioStream:
    """A sound track of an open file: number `track` from 1 on; None: the one that players take.

    Raises:
        UserError: no sound, no such track, or its codec is not known.
    """
    tracks = container.streams.audio
    if not tracks:
        raise UserError(f"{path} has no sound: name a file with an audio stream.")
    if track is None:
        track = tracks.index(max(tracks, key=_is_default)) + 1
    if not 1 <= track <= len(tracks):
        numbers = "one sound track" if len(tracks) == 1 else f"sound tracks 1 to {len(tracks)}"
        raise UserError(f"{path} has no sound track {track}: it has {numbers}.")
    _decoder(tracks[track - 1], path)
    return tracks[track - 1]


def _is_default(stream: AudioStream | VideoStream) -> bool:
    return bool(stream.disposition & Disposition.default)


def is_mp4(container: InputContainer | OutputContainer) -> bool:
    """Whether a file is mp4, m4a or mov."""
    return bool({"mov", "mp4", "ipod"} & set(container.format.name.split(",")))


def check_pixels(path: str | Path, width: int, height: int) -> None:
    """Refuse an image or a video of more pixels than memory is meant for.

    Raises:
        UserError: it has more than `MOST_PIXELS`.
    """
    if width * height > MOST_PIXELS:
        raise UserError(
            f"{path} has images of {width}×{height}, and {MOST_PIXELS / 1e6:.0f} million pixels "
            "are the most that is read: make it smaller."
        )


def _decoder(stream: AudioStream | VideoStream, path: str | Path) -> Any:
    """The decoder of a stream; PyAV has none where FFmpeg does not know the codec."""
    if stream.codec_context is None:
        kind = "images are" if isinstance(stream, VideoStream) else "sound is"
        raise UserError(
            f"{path} cannot be decoded: its {kind} in a codec that FFmpeg does not know. "
            "Convert it with the program that it came from."
        )
    return stream.codec_context


def exact(ratio: Ratio | None) -> Fraction | None:
    """A ratio as a Fraction; None where it is not stated.

    PyAV 19's own class rounds to 32 bits, and what is not stated is 0/1 there.
    """
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


def readable(tag: str) -> str:
    """A tag with a mark for each byte that is no UTF-8; PyAV 19 gives lone surrogates for them."""
    return tag.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def time_base(timed: AudioFrame | AudioStream | Packet | VideoFrame | VideoStream) -> Fraction:
    """The unit of its timestamps, in seconds."""
    return exact(timed.time_base) or Fraction(1, 1_000_000)


def start_time(frame: AudioFrame | VideoFrame) -> Fraction:
    """Time of a block or image by its timestamp, in seconds; 0 where it has none."""
    return Fraction(0) if frame.pts is None else frame.pts * time_base(frame)


def sound_graph(frame: AudioFrame, *filters: tuple[str, str | None]) -> Graph:
    """A chain of FFmpeg filters, (name, options), for blocks of the same kind as `frame`."""
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=frame.time_base,
    )
    chain = [graph.add(*each) for each in (*filters, ("abuffersink", None))]
    graph.link_nodes(source, *chain).configure()
    return graph


def pull(graph: Graph, frame: AudioFrame | None) -> Iterator[AudioFrame]:
    """Push one block (None: the end) through the graph; what comes out."""
    # EOF is also what a finished trim answers to blocks beyond its end.
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        graph.push(frame)
        while True:
            yield cast(AudioFrame, graph.pull())
