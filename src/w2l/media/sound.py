"""A sound track as one row of samples, each where the file's clock says."""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from io import BytesIO
from itertools import chain, groupby, islice, takewhile
from pathlib import Path
from typing import NamedTuple, cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet

from w2l.media import (
    is_mp4,
    open_media,
    pull,
    sound_graph,
    sound_stream,
    start_time,
    time_base,
)
from w2l.media.channels import mixable
from w2l.media.clock import check_length, clock_of
from w2l.media.timestamps import JITTER_S

# Ogg: how a page begins, the bytes of its header, the flag of a stream's first page.
_PAGE = b"OggS"
_HEADER = 27
_FIRST = 2
# Where a stream's first page states rate and channels, by how it begins.
_STATED = {
    b"\x01vorbis": slice(11, 16),
    b"OpusHead": slice(9, 10),
    b"Speex   ": slice(36, 52),
    b"\x7fFLAC": slice(27, 30),
}


class _Link(NamedTuple):
    start: int  # of its bytes in the file
    kind: tuple[bytes, bytes]


def changed_links(path: str | Path) -> list[tuple[int, int]]:
    """Bytes (start, stop) of each recording, from the first one on whose sound is another.

    FFmpeg reads up to where the number of channels or the rate changes, and no further; in FLAC it
    goes on, with timestamps counted by the first rate.

    None where all are alike, or where several streams lie beside each other.
    """
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        links = list(_links(data))
        starts = [link.start for link in links] + [len(data)]
    for number, link in enumerate(links):
        if link.kind != links[0].kind:
            return list(zip(starts[number:-1], starts[number + 1 :], strict=True))
    return []


def _links(data: mmap.mmap) -> Iterator[_Link]:
    at, last = 0, -1
    while len(head := data[at : at + _HEADER]) == _HEADER and head[:4] == _PAGE:
        lengths = data[at + _HEADER : at + _HEADER + head[26]]
        body = at + _HEADER + len(lengths)
        if head[5] & _FIRST:
            if last == at:  # streams beside each other
                return
            yield _Link(at, _kind(data[body : body + 64]))
            last = body + sum(lengths)
        at = body + sum(lengths)


def _kind(first: bytes) -> tuple[bytes, bytes]:
    for magic, stated in _STATED.items():
        if first.startswith(magic):
            return magic, first[stated]
    return first[:5], b""


_MOST_PADDING = 5  # blocks that an encoder may add in all, before and after the sound
_LOOK_AHEAD = 16  # blocks that must be off the same way, before one is taken to be

# Puts every block where its timestamp says: silence into gaps, and what overlaps is cut.
IN_PLACE = ("aresample", "async=1:min_comp=0.000001:min_hard_comp=0.000001")


class Kind(NamedTuple):
    """How samples are stored."""

    format: str
    layout: str
    sample_rate: int

    @classmethod
    def of(cls, block: AudioFrame) -> Kind:
        """Of a decoded block."""
        return cls(block.format.name, block.layout.name, block.sample_rate)


class Sound:
    """A sound track of an open file.

    Attributes:
        number: which track of the file it is, from 1 on.
        start: time of the first sample on the file's clock, once the first block has come.
        stated_length: samples from there to the end that an mp4 file states; None elsewhere.
    """

    def __init__(self, path: Path, container: InputContainer, track: int | None) -> None:
        self.path, self.container = path, container
        self.stream = sound_stream(container, path, track)
        self.number = container.streams.audio.index(self.stream) + 1
        self.clock = clock_of(path, track)
        self.start = Fraction(0)
        self.stated_length: int | None = None

    def packets(self) -> Iterator[Packet]:
        """Its packets, on the file's clock."""
        return self.clock.packets(self.container, self.stream)

    def blocks(self) -> Iterator[AudioFrame]:
        """Decoded blocks; damaged packets are skipped, and a file cut short just ends.

        Of more channels than FFmpeg can mix, their mean.

        `pts` is the place of a block's first sample, counted at its own rate from the beginning
        of the first block. Where blocks do not follow one another there is a gap or an overlap.

        Raises:
            UserError: there are more samples than the file has bytes for.
        """
        decoded = self._decoded()
        coming = deque(islice(decoded, 1))
        if not coming:
            return
        self.start, base = start_time(coming[0]), time_base(coming[0])
        self.stated_length = self._stated_length()
        place, rate, unseen, grid = 0, 0, 0, None
        while coming:
            coming.extend(islice(decoded, _LOOK_AHEAD + 1 - len(coming)))
            block = coming.popleft()
            if grid is None or block.sample_rate != rate:
                place = round(Fraction(place * block.sample_rate, rate or 1))
                rate, unit = block.sample_rate, Fraction(1, block.sample_rate)
                grid = _Grid(self.start, base, rate)
            place += grid.off(block, coming, place)
            if place > unseen:
                check_length(self.path, place * unit, of_sound=True)
                unseen = place + 60 * rate
            block.pts, block.time_base = place, unit
            place += block.samples
            yield block

    def _decoded(self) -> Iterator[AudioFrame]:
        alone = self.container.format.name == "ogg" and len(self.container.streams) == 1
        links = changed_links(self.path) if alone else []
        packets = self.packets()
        if links:
            packets = takewhile(lambda packet: (packet.pos or 0) < links[0][0], packets)
        yield from self._as_stored(_decode(packets, self.stream.codec_context))
        for start, stop in links:
            with self.path.open("rb") as file, suppress(av.error.FFmpegError):
                file.seek(start)
                part = BytesIO(file.read(stop - start))
                with av.open(part, "r", format="ogg") as link:
                    stream = link.streams.audio[0]
                    for _, blocks in _decode(link.demux(stream), stream.codec_context):
                        for block in blocks:
                            block.pts = None  # it follows the one before
                            yield block

    def _as_stored(
        self, decoded: Iterable[tuple[Packet, list[AudioFrame]]]
    ) -> Iterator[AudioFrame]:
        """Blocks, without a timestamp where none is stored, and FFmpeg counts on wrongly.

        From one packet to the next it counts by the first rate, also after this has changed.
        """
        changed, is_guess, rate = False, False, 0
        expected: int | None = None
        for packet, blocks in decoded:
            for block in blocks:
                rate = rate or block.sample_rate
                changed |= block.sample_rate != rate and not is_mp4(self.container)
            length = sum(Fraction(block.samples, block.sample_rate) for block in blocks)
            stated = (packet.duration or 0) * time_base(packet)
            is_wrong = is_guess or abs(stated - length) > JITTER_S  # until one is stored again
            pts = packet.pts
            counted = pts is not None and expected is not None and abs(pts - expected) <= 1
            is_guess = changed and counted and is_wrong
            expected = None if pts is None else pts + (packet.duration or 0)
            for block in blocks:
                if is_guess:
                    block.pts = None
                yield block

    def _stated_length(self) -> int | None:
        # FFmpeg skips the encoder's delay by the edit list, but leaves what the encoder appended to
        # fill its last block. A length is believed only where it agrees with the number of blocks.
        stream = self.stream
        rate, block = stream.codec_context.sample_rate, stream.codec_context.frame_size
        if not (is_mp4(self.container) and stream.frames and stream.duration and block):
            return None
        padding = stream.frames * block - stream.duration * time_base(stream) * rate
        if not 0 <= padding < _MOST_PADDING * block or not self.clock.is_gapless:
            return None
        end = ((stream.start_time or 0) + stream.duration) * time_base(stream)
        return round((end - self.start) * rate)


class _Grid:
    """Places of samples at one rate, by timestamps that tremble.

    Args:
        start: time of place 0 (seconds).
        base: unit of timestamps (seconds).
        rate: samples a second.
    """

    def __init__(self, start: Fraction, base: Fraction, rate: int) -> None:
        # A place is (timestamp * scale - zero) / parts, in whole numbers because there are many.
        self._rate, scale, zero = rate, base * rate, start * rate
        self._parts = scale.denominator * zero.denominator
        self._scale, self._zero = int(scale * self._parts), int(zero * self._parts)
        self._jitter = int(max(JITTER_S, Fraction(11, 10) * base) * rate)

    def off(self, block: AudioFrame, coming: Iterable[AudioFrame], place: int) -> int:
        """By how many samples a block lies after `place`, where the one before it ended.

        Timestamps that come a little early and late in turn are no gaps: those that follow must
        be off the same way.
        """
        least = 0
        for each in chain([block], coming):
            if each.pts is None or each.sample_rate != self._rate:
                break
            moved = each.pts * self._scale - self._zero
            off = (2 * moved + self._parts) // (2 * self._parts) - place
            if least * off < 0 or abs(off) <= self._jitter:
                return 0
            least = off if not least or abs(off) < abs(least) else least
            place += each.samples
        return least


def _decode(
    packets: Iterable[Packet], decoder: AudioCodecContext
) -> Iterator[tuple[Packet, list[AudioFrame]]]:
    """Packets with their blocks; damaged ones are skipped."""
    for packet in packets:
        with suppress(av.error.FFmpegError):
            blocks = list(mixable(cast(list[AudioFrame], packet.decode())))
            # FFmpeg's MPEG decoders give each block the rate of the one before.
            if decoder.name.startswith("mp"):
                for block in blocks:
                    block.sample_rate = decoder.sample_rate
            yield packet, blocks


@contextmanager
def open_sound(path: str | Path, track: int | None = None) -> Iterator[Sound]:
    """Open a file at one of its sound tracks, from 1 on; None: the one that players take.

    Raises:
        UserError: as `open_media`, or there is no sound, or no such track.
    """
    with open_media(path) as container:
        yield Sound(Path(path), container, track)


def alike(blocks: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
    """Placed blocks, where those of another kind than the first are converted to that."""
    wanted: Kind | None = None
    for kind, run in groupby(blocks, Kind.of):
        if wanted is None or kind == wanted:
            wanted = kind
            yield from run
        else:
            yield from _converted(run, wanted)


def _converted(run: Iterator[AudioFrame], wanted: Kind) -> Iterator[AudioFrame]:
    first = next(run)
    graph = sound_graph(
        first,
        IN_PLACE,
        ("aresample", f"{wanted.sample_rate}:rematrix_maxval=1"),
        (
            "aformat",
            f"sample_fmts={wanted.format}:channel_layouts={wanted.layout}"
            f":sample_rates={wanted.sample_rate}",
        ),
    )
    place = round(start_time(first) * wanted.sample_rate)
    for block in chain([first], run, [None]):
        for out in pull(graph, block):
            out.pts, out.time_base = place, Fraction(1, wanted.sample_rate)
            place += out.samples
            yield out
