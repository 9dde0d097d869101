"""What a video or image is, without decoding more than its first image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path
from statistics import median_low

from av.packet import Packet
from av.video.stream import VideoStream

from w2l.errors import UserError
from w2l.media import exact, open_media, readable, time_base, video_stream
from w2l.media.clock import clock_of
from w2l.video.decode import Orientation, decode
from w2l.video.image import is_image, read_image
from w2l.video.look import Look
from w2l.video.moving import is_animated_webp, webp_images

SLOWEST, FASTEST = 0.001, 1000
_NTSC_BASES = (24, 30, 48, 60, 120)
# Timestamps rounded to milliseconds (Matroska, FLV) make steps of one rate differ by 2 ms.
_JITTER_S = Fraction(21, 10_000)
_PACKETS_LOOKED_AT = 1000
_SLOWEST = Fraction(1, 10)
_OF_STILLS = Fraction(25)


def exact_rate(fps: Fraction | float) -> Fraction:
    """A frame rate as an exact fraction; 29.97 and 23.976 mean 30000/1001 and 24000/1001.

    >>> exact_rate(29.97), exact_rate(25)
    (Fraction(30000, 1001), Fraction(25, 1))

    Raises:
        UserError: it is none.
    """
    if not SLOWEST <= fps <= FASTEST:
        raise UserError(
            f"fps={fps} is no frame rate: give frames a second, as 25 or 29.97, {FASTEST} at most."
        )
    if isinstance(fps, float):
        for base in _NTSC_BASES:
            if abs(fps - base / 1.001) < 0.002 * base / 30:
                return Fraction(base * 1000, 1001)
        return Fraction(fps).limit_denominator(1001)
    return Fraction(fps)


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video or a still image.

    Attributes:
        path: The file.
        width: Pixels, upright.
        height: Pixels, upright.
        fps: Nominal rate where it is constant, else that of the moving parts (the median step
            from one image to the next); 25 for a still image.
        variable_rate: Whether the steps between images differ.
        start: Time of the first image on the file's own clock (seconds).
        duration_s: Length of the image track, by its timestamps; 0 where it has none.
        n_frames_estimate: By the container; `VideoReader.count` is exact.
        orientation: Makes stored images upright.
        is_interlaced: Whether the first image is woven of two fields.
        n_tracks: How many sound tracks there are.
        codec: FFmpeg's name of the video codec.
        is_image: Whether it is a still image.
        tick: Resolution of the timestamps (seconds).
        look: Colour tags and pixel shape, upright.
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
    orientation: Orientation
    is_interlaced: bool
    n_tracks: int
    codec: str
    is_image: bool
    tick: Fraction
    look: Look = field(default_factory=Look)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track."""
        return self.n_tracks > 0


def choices_of(path: str | Path, *, deinterlace: bool = True) -> list[str]:
    """What was chosen, or made, of a video that was read: ends of a sentence on videos."""
    info = probe(path)
    made = {
        "are interlaced: their fields are made whole images": deinterlace and info.is_interlaced,
        "have several sound tracks: the default one is taken": info.n_tracks > 1,
    }
    return [choice for choice, is_so in made.items() if is_so]


def probe(path: str | Path) -> VideoInfo:
    """Look at a video or a still image; a file that stays as it is is looked at once.

    Raises:
        UserError: missing, no media file, no video stream, or not one image can be decoded.
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
    if is_animated_webp(path):
        return _probe_webp(path)
    clock = clock_of(path)
    with open_media(path) as container:
        stream = video_stream(container, path)
        fps, variable = _rate(clock.packets(container, stream), stream)
        codec, frames = stream.codec_context.name, stream.frames
        n_tracks = len(container.streams.audio)
        tick = exact(stream.time_base) or Fraction(1, 1000)
        pixel_aspect = exact(stream.sample_aspect_ratio)
        tags = {name.lower(): readable(text) for name, text in container.metadata.items()}
    first = next(decode(path, fps, deinterlace=False), None)
    if first is None:
        raise UserError(
            f"{path} holds no image that can be decoded: check that it plays, or convert it."
        )
    orientation = Orientation.of(first.frame)
    width, height = first.frame.width, first.frame.height
    look = Look.of(first.frame, pixel_aspect)
    if orientation.transposed:
        width, height, look = height, width, look.turned()
    length = Fraction(0) if clock.end is None else max(clock.end - first.time, Fraction(0))
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=fps,
        variable_rate=variable,
        start=first.time,
        duration_s=float(length),
        n_frames_estimate=frames or max(1, round(length * fps)),
        orientation=orientation,
        is_interlaced=first.frame.interlaced_frame,
        n_tracks=n_tracks,
        codec=codec,
        is_image=False,
        tick=tick,
        look=look,
        tags=tags,
    )


def _probe_webp(path: Path) -> VideoInfo:
    size, durations = (0, 0), []
    for _, duration, rgba in webp_images(path):
        size = (rgba.shape[1], rgba.shape[0])
        durations.append(duration)
    if not durations:
        raise UserError(f"{path} holds no image that can be decoded: check that it plays.")
    return replace(
        _plain(path, size, max(1 / median_low(durations), _SLOWEST), "webp"),
        variable_rate=max(durations) - min(durations) > _JITTER_S,
        duration_s=float(sum(durations)),
        n_frames_estimate=len(durations),
        tick=Fraction(1, 1000),
    )


def _probe_image(path: Path) -> VideoInfo:
    height, width = read_image(path).shape[:2]
    return replace(_plain(path, (width, height), _OF_STILLS, "image"), is_image=True)


def _plain(path: Path, size: tuple[int, int], rate: Fraction, codec: str) -> VideoInfo:
    """One upright image without sound or tags."""
    return VideoInfo(
        path=path,
        width=size[0],
        height=size[1],
        fps=rate,
        variable_rate=False,
        start=Fraction(0),
        duration_s=float(1 / rate),
        n_frames_estimate=1,
        orientation=Orientation(),
        is_interlaced=False,
        n_tracks=0,
        codec=codec,
        is_image=False,
        tick=1 / rate,
    )


def _rate(packets: Iterator[Packet], stream: VideoStream) -> tuple[Fraction, bool]:
    """The frame rate, and whether it varies, from the timestamps of the first packets."""
    guess = exact(stream.guessed_rate) or exact(stream.average_rate) or Fraction(25)
    unit = time_base(stream)
    known = [
        packet.pts * unit
        for packet in islice(packets, _PACKETS_LOOKED_AT)
        if packet.pts is not None and not packet.is_discard
    ]
    # The last few may lack neighbours that are stored after them.
    times = sorted(set(known))[: -4 if len(known) == _PACKETS_LOOKED_AT else None]
    if len(times) < 2:  # a still, whatever rate it states: 100 of a GIF
        return _OF_STILLS, False
    steps = [b - a for a, b in pairwise(times)]
    if variable := max(steps) - min(steps) > _JITTER_S:
        # Stills may last for any time: what moves has the usual step, give or take rounding.
        usual = median_low(steps)
        steps = [step for step in steps if abs(step - usual) <= _JITTER_S / 2]
    mean = len(steps) / sum(steps, Fraction(0))
    close = abs(guess - mean) < mean / 200
    # Damaged timestamps are a millionth of a second apart, and speech would get as many images.
    rate = min(guess if close else mean.limit_denominator(1001), Fraction(FASTEST))
    return max(rate, _SLOWEST), variable
