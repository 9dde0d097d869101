"""Opening media files: local paths only, and every failure is one sentence that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from w2l.errors import UserError

# FFmpeg opens any text file as ANSI art ("tty"); nobody means that.
_NOT_MEDIA = {"tty"}
_NTSC_BASES = (24, 30, 48, 60, 120)


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
            "check that it plays, or convert it to mp4."
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


def exact_rate(fps: Fraction | float) -> Fraction:
    """A frame rate as an exact fraction; 29.97 and 23.976 mean 30000/1001 and 24000/1001.

    >>> exact_rate(29.97), exact_rate(25)
    (Fraction(30000, 1001), Fraction(25, 1))
    """
    if fps <= 0:
        raise ValueError(f"a frame rate must be positive, not {fps}")
    if isinstance(fps, float):
        for base in _NTSC_BASES:
            if abs(fps - base / 1.001) < 0.002 * base / 30:
                return Fraction(base * 1000, 1001)
        return Fraction(fps).limit_denominator(1001)
    return Fraction(fps)
