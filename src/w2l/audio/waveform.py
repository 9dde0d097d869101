"""Sound of any file as 16 kHz mono, timed exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.filter import Graph
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from w2l.audio.constants import SAMPLE_RATE
from w2l.errors import UserError

# Text opens as ANSI art, which nobody means.
_NOT_MEDIA = {"tty"}
_MOST_PADDING = 5  # blocks that an encoder may add in all, before and after the sound


def load_audio(
    path: str | Path,
    *,
    sample_rate: int = SAMPLE_RATE,
    start_s: float = 0.0,
    end_s: float | None = None,
    origin: Literal["audio", "video"] = "audio",
) -> np.ndarray:
    """Load the first sound stream of any media file as a mono waveform.

    Channels are mixed and rates converted by FFmpeg's own resampler, as the published scripts
    do; a mono file at `sample_rate` comes through untouched (16-bit samples are divided by
    32768). Encoder delay is skipped as FFmpeg skips it, and the padding that a codec appends is
    cut where the container states the true length. Gaps in the timestamps become silence.

    Args:
        path: A sound or video file.
        sample_rate: Hz.
        start_s: Seconds after the origin to start at.
        end_s: Seconds after the origin to end at; None for the end of the sound.
        origin: What second 0 is: the first sample of the sound, or the first picture of the
            same file's video. With "video", sound that starts later is preceded by silence and
            sound from before the first picture is dropped, so both stay together.

    Returns:
        (n,) float32, in [-1, 1] unless a float source exceeds it.

    Raises:
        UserError: no such file, no media, no sound stream or video stream, no sound between
            `start_s` and `end_s`, samples that are not numbers.
    """
    path = Path(path)
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise UserError(
            f"start={start_s} and end={end_s} leave nothing of {path}: "
            "give seconds with 0 ≤ start < end."
        )
    first, waveform = _decode_mono(path, sample_rate)
    if waveform.size == 0:
        raise UserError(f"{path} holds no sound that can be decoded: check that it plays.")
    late = 0
    if origin == "video":
        late = round((first - _first_picture(path)) * sample_rate)
    # Positions on the waveform, where 0 is its own first sample.
    start = round(start_s * sample_rate) - late
    stop = waveform.size if end_s is None else round(end_s * sample_rate) - late
    if start >= waveform.size or stop <= 0:
        raise UserError(
            f"{path} has no sound from {start_s:g} s on (it lasts "
            f"{(waveform.size + late) / sample_rate:.2f} s): choose an earlier start."
        )
    waveform = np.pad(waveform[max(0, start) : stop], (max(0, -start), 0))
    if not np.isfinite(waveform).all():
        raise UserError(
            f"{path} has samples that are not numbers (NaN or infinite): export the sound again."
        )
    return waveform


def _decode_mono(path: Path, sample_rate: int) -> tuple[Fraction, np.ndarray]:
    """Time of the first sample on the file's own clock, and all samples: (n,) float32."""
    with _open(path) as container:
        if not container.streams.audio:
            raise UserError(f"{path} has no sound: name a file with an audio stream.")
        stream = container.streams.audio[0]
        first: Fraction | None = None
        blocks: list[np.ndarray] = []
        graph, layout = None, None
        for frame in _frames(container, stream):
            if first is None:
                first = Fraction(0) if frame.pts is None else frame.pts * _base(frame)
            if layout != (layout := (frame.format.name, frame.layout.name, frame.sample_rate)):
                # At the start, and where a broadcast switches between mono and stereo.
                blocks += _pull(graph, None)
                graph = _to_mono(frame, _stated_length(stream, first), sample_rate)
            blocks += _pull(graph, frame)
        blocks += _pull(graph, None)
        first = first or Fraction(0)
        waveform = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return first, waveform


def _open(path: Path) -> InputContainer:
    if not path.exists():
        raise UserError(f"{path} does not exist: check the path.")
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a sound file: name a file in it.")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty: copy or download it again.")
    try:
        # "file:" so that a name with a colon is no address, and the whitelist so that a
        # playlist posing as a sound file cannot reach the network.
        container = av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: check its permissions.") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise UserError(
            f"{path} is no media file that can be read, or it is damaged: "
            "check that it plays, or convert it to wav."
        ) from error
    if container.format.name in _NOT_MEDIA:
        container.close()
        raise UserError(f"{path} is a text file, not sound: name a media file.")
    return container


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded blocks; damaged packets are skipped and a file cut short just ends."""
    with suppress(av.error.FFmpegError):
        for packet in container.demux(stream):
            with suppress(av.error.FFmpegError):
                yield from packet.decode()


def _stated_length(stream: AudioStream, first: Fraction) -> int | None:
    """Samples from the first one to the end of sound that an mp4 file states; None elsewhere.

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


def _to_mono(frame: AudioFrame, length: int | None, sample_rate: int) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=frame.time_base,
    )
    # async: silence for gaps of over 0.1 s in the timestamps.
    fill = graph.add("aresample", "async=1:min_hard_comp=0.1")
    trim = graph.add("atrim", "start_sample=0" if length is None else f"end_sample={length}")
    # rematrix_maxval: left and right are averaged, as for 16-bit output; for float output the
    # resampler would otherwise add them with weights 0.71.
    # 16-bit sound stays so inside, as where FFmpeg's command writes it to a wav file: then the
    # samples are the same as the published scripts', to the bit.
    inside = ":internal_sample_fmt=s16p" if frame.format.bytes == 2 else ""
    resample = graph.add("aresample", f"{sample_rate}:rematrix_maxval=1{inside}")
    shape = graph.add("aformat", f"sample_fmts=flt:channel_layouts=mono:sample_rates={sample_rate}")
    graph.link_nodes(source, fill, trim, resample, shape, graph.add("abuffersink")).configure()
    return graph


def _pull(graph: Graph | None, frame: AudioFrame | None) -> list[np.ndarray]:
    """Push one block (None: the end) through the graph; what comes out, each (n,) float32."""
    if graph is None:
        return []
    blocks = []
    # EOF is also what a finished trim answers to blocks beyond its end.
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        graph.push(frame)
        while True:
            blocks.append(cast(AudioFrame, graph.pull()).to_ndarray().reshape(-1))
    return blocks


def _first_picture(path: Path) -> Fraction:
    """Time of the first picture on the file's own clock."""
    with _open(path) as container:
        moving = (s for s in container.streams.video if not _is_cover(s))
        for stream in islice(moving, 1):
            with suppress(av.error.FFmpegError):
                for packet in container.demux(stream):
                    with suppress(av.error.FFmpegError):
                        for frame in packet.decode():
                            return Fraction(0) if frame.pts is None else frame.pts * _base(frame)
    raise UserError(f"{path} has no picture to time its sound by: name a video.")


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _base(timed: AudioFrame | VideoFrame) -> Fraction:
    return timed.time_base or Fraction(1, 1_000_000)
