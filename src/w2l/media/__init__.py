"""Opening media files: local paths only, and every failure is one sentence that names the file.

Below `audio` and `video`, which both decode.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

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

# FFmpeg opens any text file as ANSI art ("tty"); nobody means that.
_NOT_MEDIA = {"tty"}
_MOST_PADDING = 5  # blocks that an encoder may add in all, before and after the sound


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
        container = av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
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


def video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    """The first moving picture of an open file (cover art is none), set to decode on 2 threads."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            stream.codec_context.thread_type = "AUTO"
            stream.codec_context.thread_count = 2
            return stream
    raise UserError(f"{path} has no video stream: name a video or a picture.")


@contextmanager
def open_sound(path: str | Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open a file at its first sound stream.

    Raises:
        UserError: as `open_media`, or there is no sound.
    """
    with open_media(path) as container:
        if not container.streams.audio:
            raise UserError(f"{path} has no sound: name a file with an audio stream.")
        yield container, container.streams.audio[0]


def packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet]:
    """Packets up to the end, or to where a file is cut short."""
    with suppress(av.error.FFmpegError):
        yield from container.demux(stream)


def sound_blocks(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded blocks; damaged packets are skipped and a file cut short just ends."""
    for packet in packets(container, stream):
        with suppress(av.error.FFmpegError):
            yield from cast(list[AudioFrame], packet.decode())


def time_base(timed: AudioFrame | AudioStream | Packet | VideoFrame) -> Fraction:
    """The unit of its timestamps, in seconds."""
    return timed.time_base or Fraction(1, 1_000_000)


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
