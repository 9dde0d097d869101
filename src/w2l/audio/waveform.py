"""Sound of any file as samples, 16 kHz mono for the networks, timed exactly."""

from __future__ import annotations

import logging
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain, groupby, takewhile
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from w2l.errors import UserError
from w2l.media import open_media, pull, sound_graph, start_time, video_stream
from w2l.media.channels import Balance, one_channel
from w2l.media.clock import clock_of
from w2l.media.sound import IN_PLACE, Kind, open_sound
from w2l.windows import SAMPLE_RATE

logger = logging.getLogger(__name__)
LOUDEST = 1000.0  # of full scale; what is a little over 1 is merely loud
_SPARE_S = 1  # decoded beyond a wanted end, so that the resampler has what it needs


def placed(waveform: np.ndarray, start: int, length: int) -> np.ndarray:
    """Silence of `length` samples with `waveform` (n, …) from `start` on, as far as it fits."""
    sound = np.zeros((length, *waveform.shape[1:]), np.float32)
    part = waveform[: max(0, length - start)]
    sound[start : start + len(part)] = part
    return sound


def mix(sounds: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of sounds (n,) or (n, channels) of one shape, each at its own level.

    Where the sum is beyond [-1, 1] anywhere, all of it is turned down as far as that takes, so
    that nothing is clipped and nothing pumps.
    """
    total = np.sum(sounds, axis=0, dtype=np.float32)
    return np.asarray(total / max(1.0, float(np.abs(total).max(initial=0))), np.float32)


def write_wav(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Samples (n,) or (n, channels) in [-1, 1] as 16-bit PCM."""
    channels = 1 if waveform.ndim == 1 else waveform.shape[1]
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, sample_rate, 0, "NONE", "NONE"))
        file.writeframes(to_int16(waveform).astype("<i2").tobytes())


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1] to 16-bit integers (rounded, clipped); int16 passes through."""
    if waveform.dtype == np.int16:
        return waveform
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)


def load_audio(
    path: str | Path,
    *,
    sample_rate: int = SAMPLE_RATE,
    start_s: float = 0.0,
    end_s: float | None = None,
    origin: Literal["audio", "video"] = "audio",
    channels: Literal[1, 2] = 1,
    track: int | None = None,
    say: Callable[[str], None] = logger.warning,
) -> np.ndarray:
    """Load a sound track of any media file as a waveform, mono or stereo.

    Channels are mixed and rates converted by FFmpeg's own resampler, as the published scripts
    do; a mono file at `sample_rate` comes through untouched (16-bit samples are divided by
    32768). Encoder delay is skipped as FFmpeg skips it, and the padding that a codec appends is
    cut where the container states the true length. Samples lie where their timestamps say: gaps
    become silence (see `w2l.media.clock` for timestamps that jump).

    Args:
        path: A sound or video file.
        sample_rate: Hz.
        start_s: Seconds after the origin to start at.
        end_s: Seconds after the origin to end at; None for the end of the sound.
        origin: What second 0 is: the first sample of the sound, or the first image of the
            same file's video. With "video", sound that starts later is preceded by silence and
            sound from before the first image is dropped, so both stay together.
        channels: 1: all are mixed to mono; where they cancel each other, the loudest is taken, and
            that is said. 2: left and right; what is mono is as loud in both.
        track: Number of the sound track, from 1 on; None: the one that players take.
        say: gets a sentence where not all channels are heard.

    Returns:
        (n,) float32, with two channels (n, 2), in [-1, 1] unless a float source exceeds it.

    Raises:
        UserError: no such file, no media, no sound stream or video stream, no such track, no
            sound between `start_s` and `end_s`, samples that are not numbers or thousands of times
            too large, more of them than the file has bytes for.
    """
    path = Path(path)
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise UserError(
            f"start={start_s} and end={end_s} leave nothing of {path}: "
            "give seconds with 0 ≤ start < end."
        )
    until = None if end_s is None or origin == "video" else Fraction(end_s) + _SPARE_S
    balance = Balance()
    first, waveform = _decode(path, sample_rate, until, channels, track, hear=balance.add)
    if channels == 1 and (channel := balance.cancelled()) is not None:
        say(f"{path}: its channels cancel each other when mixed; channel {channel + 1} is heard.")
        first, waveform = _decode(path, sample_rate, until, channels, track, channel)
    if waveform.size == 0:
        raise UserError(f"{path} holds no sound that can be decoded: check that it plays.")
    late = 0
    if origin == "video":
        late = round((first - _first_image(path)) * sample_rate)
    # Positions on the waveform, where 0 is its own first sample.
    start = round(start_s * sample_rate) - late
    stop = len(waveform) if end_s is None else round(end_s * sample_rate) - late
    if start >= len(waveform) or stop <= 0:
        raise UserError(
            f"{path} has no sound from {start_s:g} s on (it lasts "
            f"{(len(waveform) + late) / sample_rate:.2f} s): choose an earlier start."
        )
    waveform = waveform[max(0, start) : stop]
    if start < 0:
        waveform = np.pad(waveform, ((-start, 0), (0, 0)))
    if channels == 1:
        waveform = waveform[:, 0]
    if not np.isfinite(waveform).all():
        raise UserError(
            f"{path} has samples that are not numbers (NaN or infinite): export the sound again."
        )
    loudest = float(np.abs(waveform).max(initial=0))
    if loudest > LOUDEST:  # no encoder takes it
        raise UserError(
            f"{path} has samples of up to {loudest:.3g}, where 1 is full scale: export the sound "
            "again."
        )
    return waveform


def count_channels(path: str | Path) -> int:
    """How many channels the default sound track of a file has.

    Raises:
        UserError: no such file, no media, no sound stream.
    """
    with open_sound(path) as sound:
        return sound.stream.codec_context.layout.nb_channels


def _decode(
    path: Path,
    sample_rate: int,
    until: Fraction | None,
    channels: int,
    track: int | None,
    channel: int | None = None,
    hear: Callable[[AudioFrame], None] = lambda _: None,
) -> tuple[Fraction, np.ndarray]:
    """Time of the first sample on the file's own clock, and samples: (n, channels) float32.

    They reach to `until` seconds after the first at least; None: to the end. Of `channel` alone, if
    given. Each block is given to `hear` as it came.
    """
    with open_sound(path, track) as sound:
        parts, filled = [np.zeros((0, channels), np.float32)], 0
        blocks = _heard(sound.blocks(), channel, hear)
        if until is not None:
            blocks = takewhile(lambda block: start_time(block) <= until, blocks)
        # The kind changes where broadcasts and spliced files change it.
        for _, run in groupby(blocks, Kind.of):
            first = next(run)
            place = round(start_time(first) * sample_rate)
            if place > filled:
                parts.append(np.zeros((place - filled, channels), np.float32))
            overlap, filled = max(0, filled - place), max(filled, place)
            length = sound.stated_length if place == 0 else None
            for samples in _converted(chain([first], run), length, sample_rate, channels):
                parts.append(samples[overlap:])
                overlap = max(0, overlap - len(samples))
                filled += len(parts[-1])
        return sound.start, np.concatenate(parts)


def _heard(
    blocks: Iterable[AudioFrame], channel: int | None, hear: Callable[[AudioFrame], None]
) -> Iterator[AudioFrame]:
    for block in blocks:
        hear(block)
        if channel is not None:
            block = one_channel(block, min(channel, block.layout.nb_channels - 1))
        yield block


def _converted(
    blocks: Iterable[AudioFrame], length: int | None, sample_rate: int, channels: int
) -> Iterator[np.ndarray]:
    """Blocks of one kind as float32 (n, channels), `length` samples of the source at most."""
    graph = None
    for block in blocks:
        graph = graph or converter(block, length, sample_rate, channels)
        yield from (out.to_ndarray().reshape(-1, channels) for out in pull(graph, block))
    if graph is not None:
        yield from (out.to_ndarray().reshape(-1, channels) for out in pull(graph, None))


def converter(block: AudioFrame, length: int | None, sample_rate: int, channels: int) -> Graph:
    """FFmpeg's filters from blocks as `block`, `length` samples at most, to float32."""
    # 16-bit sound stays so inside, as where FFmpeg's command writes it to a wav file: then the
    # samples are the same as the published scripts', to the bit.
    inside = ":internal_sample_fmt=s16p" if block.format.bytes == 2 else ""
    layout = "mono" if channels == 1 or block.layout.nb_channels == 1 else "stereo"
    shape = f"sample_fmts=flt:channel_layouts={layout}:sample_rates={sample_rate}"
    return sound_graph(
        block,
        IN_PLACE,
        ("atrim", "start_sample=0" if length is None else f"end_sample={length}"),
        # rematrix_maxval: left and right are averaged, as for 16-bit output; for float output
        # the resampler would otherwise add them with weights 0.71.
        ("aresample", f"{sample_rate}:rematrix_maxval=1{inside}"),
        ("aformat", shape),
        # FFmpeg's own way from one to two channels lowers the level.
        *([("pan", "stereo|c0=c0|c1=c0")] if layout == "mono" and channels == 2 else []),
    )


def _first_image(path: Path) -> Fraction:
    """Time of the first image on the file's own clock."""
    clock = clock_of(path)
    with open_media(path) as container:
        for packet in clock.packets(container, video_stream(container, path)):
            with suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    return start_time(frame)
    raise UserError(f"{path} has no image to time its sound by: name a video.")
