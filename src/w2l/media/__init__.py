"""Opening media files: local paths only, and every failure is one sentence that names the file.

Below `audio` and `video`, which both decode.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from w2l.errors import UserError
from w2l.media.channels import mixable

# FFmpeg opens any text file as ANSI art ("tty"); nobody means that.
_NOT_MEDIA = {"tty"}
MOST_PIXELS = 2**27  # of a picture or a frame: 134 million, 16 times those of 4K
_MOST_PADDING = 5  # blocks that an encoder may add in all, before and after the sound
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
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, **_ANY_TAGS)
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: check its permissions.") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise UserError(
            f"{path} is no media file that can be read, or it is damaged: "
            "check that it plays, or convert it (pictures to mp4, sound to wav)."
        ) from error
    with container:
        if container.format.name in _NOT_MEDIA:
            raise UserError(f"{path} is a text file, not a video or sound: name a media file.")
        yield container


def moving_pictures(container: InputContainer) -> list[VideoStream]:
    """The video streams of an open file that are no cover art."""
    streams = container.streams.video
    return [each for each in streams if not each.disposition & Disposition.attached_pic]


def video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    """The first moving picture of an open file (cover art is none), set to decode on 2 threads.

    Raises:
        UserError: there is none, its codec is not known, or it has too many pixels.
    """
    for stream in moving_pictures(container):
        context = _decoder(stream, path)
        check_pixels(path, context.width, context.height)
        # Pictures that grow on the way are damaged packets.
        context.options = {**context.options, "max_pixels": str(MOST_PIXELS)}
        context.thread_type = "AUTO"
        context.thread_count = 2
        return stream
    raise UserError(f"{path} has no video stream: name a video or a picture.")


@contextmanager
def open_sound(path: str | Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open a file at its first sound stream.

    Raises:
        UserError: as `open_media`, there is no sound, or its codec is not known.
    """
    with open_media(path) as container:
        if not container.streams.audio:
            raise UserError(f"{path} has no sound: name a file with an audio stream.")
        _decoder(container.streams.audio[0], path)
        yield container, container.streams.audio[0]


def check_pixels(path: str | Path, width: int, height: int) -> None:
    """Refuse a picture or a video of more pixels than memory is meant for.

    Raises:
        UserError: it has more than `MOST_PIXELS`.
    """
    if width * height > MOST_PIXELS:
        raise UserError(
            f"{path} has pictures of {width}×{height}, and {MOST_PIXELS / 1e6:.0f} million pixels "
            "are the most that is read: make it smaller."
        )


def _decoder(stream: AudioStream | VideoStream, path: str | Path) -> Any:
    """The decoder of a stream; PyAV has none where FFmpeg does not know the codec."""
    if stream.codec_context is None:
        kind = "pictures are" if isinstance(stream, VideoStream) else "sound is"
        raise UserError(
            f"{path} cannot be decoded: its {kind} in a codec that FFmpeg does not know. "
            "Convert it with the program that it came from."
        )
    return stream.codec_context


def packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet]:
    """Packets up to the end, or to where a file is cut short."""
    with suppress(av.error.FFmpegError):
        yield from container.demux(stream)


def sound_blocks(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded blocks; damaged packets are skipped and a file cut short just ends.

    Of more channels than FFmpeg can mix, their mean.
    """
    for packet in packets(container, stream):
        with suppress(av.error.FFmpegError):
            yield from mixable(cast(list[AudioFrame], packet.decode()))


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
    """Time of a block or picture on the file's own clock, in seconds; 0 where unstamped."""
    return Fraction(0) if frame.pts is None else frame.pts * time_base(frame)


def stated_length(stream: AudioStream, first: Fraction) -> int | None:
    """Samples from time `first` to the end of sound that an mp4 file states; None elsewhere.

    FFmpeg skips the encoder's delay by the edit list, but leaves what the encoder appended to
    fill its last block. A length is believed only where it agrees with the number of blocks.
    """
    rate, block = stream.codec_context.sample_rate, stream.codec_context.frame_size
    if not (stream.frames and stream.duration and stream.time_base and block):
        return None
    padding = stream.frames * block - stream.duration * stream.time_base * rate
    if not 0 <= padding < _MOST_PADDING * block:
        return None
    end = ((stream.start_time or 0) + stream.duration) * stream.time_base
    return round((end - first) * rate)


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
