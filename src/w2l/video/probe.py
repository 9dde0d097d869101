"""What a video or picture is, without decoding more than its first picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from w2l.errors import UserError
from w2l.media import exact, open_media, readable, time_base, video_stream
from w2l.video.decode import decode
from w2l.video.image import is_image, read_image
from w2l.video.look import Look

# Timestamps rounded to milliseconds (Matroska, FLV) make steps of one rate differ by 2 ms.
_JITTER_S = Fraction(21, 10_000)
_PACKETS_LOOKED_AT = 1000


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video or a still picture.

    Attributes:
        path: The file.
        width: Pixels, after rotation.
        height: Pixels, after rotation.
        fps: Nominal rate where it is constant, else the average; 25 for a still picture.
        variable_rate: Whether the steps between pictures differ.
        start: Time of the first picture on the file's own clock (seconds).
        duration_s: Length of the picture track, by the container.
        n_frames_estimate: By the container; `VideoReader.count` is exact.
        rotation: Degrees counter-clockwise that were or are to be applied (0, 90, 180, 270).
        has_audio: Whether there is a sound stream.
        codec: FFmpeg's name of the video codec.
        is_image: Whether it is a still picture.
        tick: Resolution of the timestamps (seconds).
        look: Colour tags and pixel shape, after rotation.
        tags: The file's own texts, such as `comment` and `description`, by lower-case name.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    variable_rate: bool
    start: Fraction
    duration_s: float
    n_frames_estimate: int
    rotation: int
    has_audio: bool
    codec: str
    is_image: bool
    tick: Fraction
    look: Look = field(default_factory=Look)
    tags: Mapping[str, str] = field(default_factory=dict)


def probe(path: str | Path) -> VideoInfo:
    """Look at a video or a still picture; a file that stays as it is is looked at once.

    Raises:
        UserError: missing, no media file, no video stream, or not one picture can be decoded.
    """
    path = Path(path)
    try:
        status = path.stat()
    except OSError:
        return _probe(path)  # says what is wrong
    return _probe_once(path, status.st_ino, status.st_size, status.st_mtime_ns)


# Of a file that becomes hundreds of clips, opening it is a tenth of the work: its index is long.
@lru_cache(maxsize=16)
def _probe_once(path: Path, *_version: int) -> VideoInfo:
    return _probe(path)


def _probe(path: Path) -> VideoInfo:
    if is_image(path):
        return _probe_image(path)
    with open_media(path) as container:
        stream = video_stream(container, path)
        fps, variable = _rate(container, stream)
        length = _duration(container, stream)
        codec, frames = stream.codec_context.name, stream.frames
        has_audio = bool(container.streams.audio)
        tick = exact(stream.time_base) or Fraction(1, 1000)
        pixel_aspect = exact(stream.sample_aspect_ratio)
        tags = {name.lower(): readable(text) for name, text in container.metadata.items()}
    first = next(decode(path, fps), None)
    if first is None:
        raise UserError(
            f"{path} holds no picture that can be decoded: check that it plays, or convert it."
        )
    # Phones write multiples of 90 degrees; anything else is left as it is.
    rotation = first.frame.rotation % 360
    rotation = rotation if rotation % 90 == 0 else 0
    size = (first.frame.width, first.frame.height)
    look = Look.of(first.frame, pixel_aspect)
    width, height = size
    if rotation in (90, 270):
        width, height, look = height, width, look.turned()
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=fps,
        variable_rate=variable,
        start=first.time,
        duration_s=float(length),
        n_frames_estimate=frames or max(1, round(length * fps)),
        rotation=rotation,
        has_audio=has_audio,
        codec=codec,
        is_image=False,
        tick=tick,
        look=look,
        tags=tags,
    )


def _probe_image(path: Path) -> VideoInfo:
    height, width = read_image(path).shape[:2]
    rate = Fraction(25)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=rate,
        variable_rate=False,
        start=Fraction(0),
        duration_s=float(1 / rate),
        n_frames_estimate=1,
        rotation=0,
        has_audio=False,
        codec="image",
        is_image=True,
        tick=1 / rate,
    )


def _rate(container: InputContainer, stream: VideoStream) -> tuple[Fraction, bool]:
    """The frame rate, and whether it varies, from the timestamps of the first packets."""
    average, unit = exact(stream.average_rate), time_base(stream)
    guess = exact(stream.guessed_rate) or average or Fraction(25)
    times = []
    packets = islice(container.demux(stream), _PACKETS_LOOKED_AT)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):  # the end, or the file is cut short
            break
        if packet.pts is not None and not packet.is_discard:
            times.append(packet.pts * unit)
    # The last few may lack neighbours that are stored after them.
    times = sorted(set(times))[: -4 if len(times) == _PACKETS_LOOKED_AT else None]
    if len(times) < 2:
        return guess, False
    steps = [b - a for a, b in pairwise(times)]
    mean = (len(times) - 1) / (times[-1] - times[0])
    if max(steps) - min(steps) > _JITTER_S:
        return (average or mean).limit_denominator(10_000), True
    close = abs(guess - mean) < mean / 200
    return (guess if close else mean.limit_denominator(1001)), False


def _duration(container: InputContainer, stream: VideoStream) -> Fraction:
    if stream.duration:
        return stream.duration * time_base(stream)
    return Fraction(container.duration or 0, 1_000_000)
