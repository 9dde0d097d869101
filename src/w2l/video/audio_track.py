"""The sound beside written images: copied where that is exact, else encoded once."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal, cast

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet

from w2l.errors import UserError
from w2l.media import is_mp4, pull, sound_graph, time_base
from w2l.media.sound import IN_PLACE, Kind, alike, open_sound
from w2l.video.probe import probe

_AAC_BLOCK = 1024  # samples
_AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
_OPUS_RATES = {8000, 12000, 16000, 24000, 48000}
# A second; the encoder lowers it where the rate allows less.
_BITS_PER_CHANNEL = {"aac": 128_000, "libopus": 96_000}
_MOST_SAMPLES = 2**62  # FFmpeg counts them in 64 bits
_PCM = {
    "u8": "pcm_u8",
    "s16": "pcm_s16le",
    "s32": "pcm_s32le",
    "s64": "pcm_s64le",
    "flt": "pcm_f32le",
    "dbl": "pcm_f64le",
}


class AudioTrack:
    """A sound track of a file, or a part of it, to be written beside images.

    What is written has exactly the samples of the source from `start_s` to `end_s`, and its
    second 0 is the first image's. In mp4, AAC from mp4 is copied when it is untrimmed and has no
    gaps; anything else is encoded to AAC once. WebM gets Opus. In Matroska and wav the decoded
    samples are stored as PCM.

    Args:
        path: A sound or video file.
        start_s: Seconds after the origin to start at.
        end_s: Seconds after the origin to end at; None for the end of the sound.
        origin: What second 0 is: the first sample of the sound, or the first image of the
            same file's video (then sound that starts later is preceded by silence, and sound
            from before it is dropped).
        track: Number of the sound track, from 1 on; None: the one that players take.

    Attributes:
        sample_rate: Hz of the source.
        number, n_tracks: which of how many sound tracks of the file it is, from 1 on.

    Raises:
        UserError: no such file, no media, no such sound, nothing between `start_s` and `end_s`.
    """

    def __init__(
        self,
        path: str | Path,
        start_s: float = 0.0,
        end_s: float | None = None,
        origin: Literal["audio", "video"] = "audio",
        track: int | None = None,
    ) -> None:
        if start_s < 0 or (end_s is not None and end_s <= start_s):
            raise UserError(
                f"start={start_s} and end={end_s} leave nothing of {path}: "
                "give seconds with 0 ≤ start < end."
            )
        self.path, self._track = Path(path), track
        with open_sound(self.path, track) as sound:
            first = next(sound.blocks(), None)
            if first is None:
                raise UserError(f"{path} holds no sound that can be decoded: check that it plays.")
            self._format, self._layout, self.sample_rate = Kind.of(first)
            self._channels = first.layout.nb_channels
            is_aac = sound.stream.codec_context.name == "aac" and is_mp4(sound.container)
            self._copyable = is_aac and sound.clock.is_gapless
            begin, stated = sound.start, sound.stated_length
            self.number, self.n_tracks = sound.number, len(sound.container.streams.audio)
        late = begin - probe(path).start if origin == "video" else Fraction(0)
        self._zero = begin - late
        # Positions on the decoded samples, where 0 is the first one.
        self._start = round((Fraction(start_s) - late) * self.sample_rate)
        end = None
        if end_s is not None:
            end = min(round((Fraction(end_s) - late) * self.sample_rate), _MOST_SAMPLES)
        self._stop = min((each for each in (end, stated) if each is not None), default=None)
        self._end = None if stated is None else begin + Fraction(stated, self.sample_rate)
        self._untrimmed = start_s == 0 and end_s is None
        self._length: int | None = None  # samples in all
        if self._stop is not None and self._stop <= 0:
            raise UserError(f"{path} has no sound before end={end_s}: choose a later end.")

    def lasting(self, seconds: Fraction) -> AudioTrack:
        """The same sound for exactly `seconds`: cut, or followed by silence."""
        track = copy(self)
        track._length = round(seconds * self.sample_rate)
        track._untrimmed = False
        return track

    def seconds(self) -> Fraction:
        """How long it is, to the sample; takes one pass over the sound."""
        blocks = self._shaped(self._format, self.sample_rate, self._layout, 0)
        return Fraction(sum(block.samples for block in blocks), self.sample_rate)

    def add_to(self, output: OutputContainer, lossless: bool = False) -> Iterator[Packet]:
        """Add a stream to an output file before its first packet; yields its packets in order.

        Args:
            output: mp4, mov, Matroska, WebM or wav.
            lossless: PCM in mov too.
        """
        if output.format.name == "webm":
            return self._encode(output, "libopus")
        if lossless or not is_mp4(output):
            return self._encode(output, _PCM[self._format.removesuffix("p")])
        if self._copyable and self._untrimmed:
            return self._copy(output)
        return self._encode(output, "aac")

    def _copy(self, output: OutputContainer) -> Iterator[Packet]:
        with open_sound(self.path, self._track) as sound:
            target = output.add_stream_from_template(sound.stream)
        return self._copied(target)

    def _copied(self, target: AudioStream) -> Iterator[Packet]:
        with open_sound(self.path, self._track) as sound:
            # What the decoder drops, its start-up delay, comes to lie before time 0, where the
            # output's edit list hides it again.
            shift = round(self._zero / time_base(sound.stream))
            last = None
            for packet in sound.packets():
                if packet.pts is None or packet.dts is None:
                    continue
                if last is not None:
                    yield last
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = target
                last = packet
            if last is None:
                return
            if self._end is not None:
                # The output states the same end of sound as the source.
                last.duration = max(
                    1, round((self._end - self._zero) / time_base(last)) - (last.pts or 0)
                )
            yield last

    def _encode(self, output: OutputContainer, codec: str) -> Iterator[Packet]:
        rate, layout = self.sample_rate, self._layout
        if codec in _BITS_PER_CHANNEL:
            rates = _AAC_RATES if codec == "aac" else _OPUS_RATES
            rate = rate if rate in rates else 48_000
            # Browsers and phones play two channels everywhere.
            layout = "mono" if self._channels == 1 else "stereo"
        target = cast(AudioStream, output.add_stream(codec, rate=rate, layout=layout))
        if codec in _BITS_PER_CHANNEL:
            target.bit_rate = _BITS_PER_CHANNEL[codec] * min(self._channels, 2)
        return self._encoded(target, rate, layout)

    def _encoded(self, target: AudioStream, rate: int, layout: str) -> Iterator[Packet]:
        context = target.codec_context
        # Encoders fill their last block with silence, which no mp4 field makes FFmpeg drop. So
        # the sound is made to end with a block: the silence goes before time 0, where the edit
        # list hides it from every player. That needs the length first, hence a pass to count.
        lead = 0
        if context.name == "aac":
            n = sum(frame.samples for frame in self._shaped(context.format.name, rate, layout, 0))
            lead = -n % _AAC_BLOCK
        position = -lead
        for frame in self._shaped(context.format.name, rate, layout, lead):
            frame.pts, frame.time_base = position, Fraction(1, rate)
            position += frame.samples
            yield from target.encode(frame)
        if position == -lead:
            raise UserError(f"{self.path} has no sound after its start: choose an earlier start.")
        yield from target.encode(None)

    def _shaped(
        self, sample_format: str, rate: int, layout: str, lead: int
    ) -> Iterator[AudioFrame]:
        """The wanted part in blocks, after `lead` samples of silence."""
        with open_sound(self.path, self._track) as sound:
            frames = alike(sound.blocks())
            first = next(frames)
            graph = self._graph(first, sample_format, rate, layout, lead)
            for frame in chain([first], frames, [None]):
                yield from pull(graph, frame)

    def _graph(
        self, frame: AudioFrame, sample_format: str, rate: int, layout: str, lead: int
    ) -> Graph:
        stop = "" if self._stop is None else f":end_sample={self._stop}"
        length: list[tuple[str, str | None]] = []
        if self._length is not None:
            length = [
                ("apad", f"whole_len={self._length}"),
                ("atrim", f"end_sample={self._length}"),
            ]
        shape = f"sample_fmts={sample_format}:channel_layouts={layout}:sample_rates={rate}"
        return sound_graph(
            frame,
            IN_PLACE,  # from here on positions are what counts
            ("asetpts", "N/SR/TB"),
            ("atrim", f"start_sample={max(0, self._start)}{stop}"),
            ("asetpts", "N/SR/TB"),
            ("adelay", f"{max(0, -self._start)}S:all=1"),
            *length,
            ("aresample", f"{rate}:rematrix_maxval=1"),
            ("aformat", shape),
            ("adelay", f"{lead}S:all=1"),
            ("asetnsamples", f"{_AAC_BLOCK}:p=0"),
        )
