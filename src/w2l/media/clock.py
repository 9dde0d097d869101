"""One clock for the images and the sound of a file, which only ever runs forward.

A stream's timestamps may be set back (recordings put one after the other) or jump ahead by hours.
Players go on where they were, with image and sound together; so does this clock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet

from w2l.errors import UserError
from w2l.media import open_media, sound_stream, time_base, video_stream
from w2l.media.joined import tell_joined
from w2l.media.timestamps import (
    LONGEST_STILL,
    Piece,
    Stream,
    Timestamps,
    from_index,
    from_packets,
)

# Of sound that may be lost where two recordings meet: what encoders add before and after it.
_PADDING_BLOCKS, _MOST_PADDING_S = 3, Fraction(1, 5)
_EARLIEST = -(2**63)  # ticks
_LONGEST_HOLD = 60  # seconds for which a last image is held where no sound goes on
# What a file may claim to last, in seconds: anyhow, and for each of its bytes.
_IMAGES, _SOUND = (3600, Fraction(1, 20)), (1800, Fraction(1, 500))


class Stretch(NamedTuple):
    """Part of a stream: what to add to timestamps from `start` on, of packets from `first` on."""

    first: int
    start: int  # ticks
    shift: int  # ticks


@dataclass(frozen=True)
class Clock:
    """The clock of a file.

    Attributes:
        stretches: of the streams whose timestamps are changed, by their index, in order.
        end: when the last image ends (seconds), as far as timestamps say; it may be held.
        is_gapless: whether every block of sound begins where the one before ends.
    """

    stretches: Mapping[int, Sequence[Stretch]] = field(default_factory=dict)
    end: Fraction | None = None
    is_gapless: bool = True

    def is_steady(self, stream: Stream) -> bool:
        """Whether the timestamps of a stream never jump, so that seeking by them is safe."""
        return len(self.stretches.get(stream.index, ())) < 2

    def shift(self, stream: Stream) -> Fraction:
        """Seconds that are added at the beginning of a stream."""
        stretches = self.stretches.get(stream.index)
        return stretches[0].shift * time_base(stream) if stretches else Fraction(0)

    def packets(self, container: InputContainer, stream: Stream) -> Iterator[Packet]:
        """Packets with timestamps of this clock, up to the end or to where a file is cut short."""
        stretches = self.stretches.get(stream.index, ())
        firsts = sorted({each.first for each in stretches})
        shift = stretches[0].shift if stretches else 0
        with suppress(av.error.FFmpegError):
            for number, packet in enumerate(container.demux(stream)):
                if len(stretches) > 1 and packet.pts is not None:
                    first = firsts[bisect_right(firsts, number) - 1]
                    at = bisect_right(stretches, (first, packet.pts, np.inf)) - 1
                    shift = stretches[max(at, 0)].shift
                if shift:
                    packet.pts = None if packet.pts is None else packet.pts + shift
                    packet.dts = None if packet.dts is None else packet.dts + shift
                yield packet


def clock_of(path: str | Path, track: int | None = None) -> Clock:
    """The clock of a file's images and of one of its sound tracks.

    Looks at the timestamps of all packets, by the index where that has them all; decodes nothing.
    A file that stays as it is is looked at once.

    Args:
        path: A video or sound file.
        track: Number of the sound track, from 1 on; None: the default one.

    Raises:
        UserError: as `open_media`, or there is no such track.
    """
    path = Path(path)
    try:
        status = path.stat()
    except OSError:
        return _clock(path, track)  # says what is wrong
    return _clock_once(path, track, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _clock_once(path: Path, track: int | None, *_version: int) -> Clock:
    return _clock(path, track)


def check_length(path: str | Path, seconds: Fraction | float, *, of_sound: bool = False) -> None:
    """See that a file has enough bytes for what its timestamps claim.

    Raises:
        UserError: it has not.
    """
    anyhow, each = _SOUND if of_sound else _IMAGES
    if seconds > anyhow and seconds > anyhow + each * (size := Path(path).stat().st_size):
        raise UserError(
            f"{path} claims to last for more than {float(seconds) / 60:.0f} minutes, which its "
            f"{size} bytes cannot hold: its timestamps or its sample rate are damaged. Convert it "
            "again from its source."
        )


def _clock(path: Path, track: int | None) -> Clock:
    with open_media(path) as container:
        streams: list[Stream] = []
        with suppress(UserError):
            streams.append(video_stream(container, path))
        if container.streams.audio:
            streams.append(sound_stream(container, path, track))
        counted = container.format.name == "wav"  # its timestamps are counted from its bytes
        tell_joined(path)
        if counted or not streams:
            return Clock()
        lines = from_index(container, streams)
        if lines is None or any(len(line.pieces) > 1 for line in lines) or _apart(lines):
            lines = from_packets(container, streams)
    return _joined(lines)


def _apart(lines: Sequence[Timestamps]) -> bool:
    """Whether one stream begins long after another has ended."""
    parts = [line.pieces[0] for line in lines if line.pieces]
    return any(b.start > a.end + LONGEST_STILL for a in parts for b in parts)


def _joined(lines: Sequence[Timestamps]) -> Clock:
    """The clock on which the pieces of all streams follow one another.

    Where two streams jump to much the same time at much the same place of the file, they stay
    together as they are there; a stream that jumps alone goes on where it was.
    """
    lines = [line for line in lines if line.pieces]
    whole = [_without_stills(line, lines) for line in lines]
    for line, pieces in zip(lines, whole, strict=True):
        line.pieces = pieces
    shifts = {line.index: [Fraction(0)] for line in lines}
    if _apart(lines):
        earliest = lines[0].pieces[0].start  # the images', where there are any
        shifts = {line.index: [earliest - line.pieces[0].start] for line in lines}
    for group in _jumps(lines):
        needed = [_end_so_far(line, shifts) - line.pieces[number].start for line, number in group]
        shift = max(needed)
        if len(group) == 2:
            padding = min(_PADDING_BLOCKS * group[1][0].step, _MOST_PADDING_S)
            shift = needed[0] if shift - needed[0] <= padding else shift
        for line, _ in group:
            shifts[line.index].append(shift)
    ends = {line.index: line.end + shifts[line.index][-1] for line in lines}
    stretches = {
        line.index: list(_stretches(line, shifts[line.index]))
        for line in lines
        if any(shifts[line.index])
    }
    sound = [line for line in lines if line.is_sound]
    is_gapless = all(line.is_gapless and line.index not in stretches for line in sound)
    return Clock(stretches, _last_image(lines, shifts, ends), is_gapless)


def _stretches(line: Timestamps, shifts: Sequence[Fraction]) -> Iterator[Stretch]:
    recording = -1
    for piece, shift in zip(line.pieces, shifts, strict=True):
        start = round(piece.start / line.base) if piece.first == recording else _EARLIEST
        yield Stretch(piece.first, start, round(shift / line.base))
        recording = piece.first


def _without_stills(line: Timestamps, lines: Sequence[Timestamps]) -> list[Piece]:
    """Pieces of a line, those joined between which another stream goes on all the time."""
    others = sorted(
        (piece.start, piece.end) for other in lines if other is not line for piece in other.pieces
    )
    starts, reached = [start for start, _ in others], [*accumulate((e for _, e in others), max)]
    pieces = line.pieces[:1]
    for piece in line.pieces[1:]:
        last = pieces[-1]
        n = bisect_right(starts, last.end + LONGEST_STILL)  # those that begin early enough
        goes_on = n > 0 and reached[n - 1] >= piece.start - LONGEST_STILL
        if goes_on and piece.first == last.first:
            pieces[-1] = last._replace(end=piece.end)
        else:
            pieces.append(piece)
    return pieces


def _jumps(lines: Sequence[Timestamps]) -> Iterator[list[tuple[Timestamps, int]]]:
    """Where streams jump, as (line, number of its piece): one, or two that jump together."""
    jumps = sorted(
        (
            (line.pieces[number].order, at, number)
            for at, line in enumerate(lines)
            for number in range(1, len(line.pieces))
        ),
    )
    near = []
    for i, (one, other) in enumerate(pairwise(jumps)):
        starts = [lines[at].pieces[number].start for _, at, number in (one, other)]
        if one[1] != other[1] and abs(starts[0] - starts[1]) <= LONGEST_STILL:
            near.append((other[0] - one[0], i))
    partner: dict[int, int] = {}
    for _, i in sorted(near):
        if i not in partner and i + 1 not in partner:
            partner |= {i: i + 1, i + 1: i}
    for i in range(len(jumps)):
        if partner.get(i, i) < i:
            continue
        group = sorted({i, partner.get(i, i)}, key=lambda each: jumps[each][1])
        yield [(lines[jumps[each][1]], jumps[each][2]) for each in group]


def _end_so_far(line: Timestamps, shifts: Mapping[int, Sequence[Fraction]]) -> Fraction:
    return line.pieces[len(shifts[line.index]) - 1].end + shifts[line.index][-1]


def _last_image(
    lines: Sequence[Timestamps],
    shifts: Mapping[int, Sequence[Fraction]],
    ends: Mapping[int, Fraction],
) -> Fraction | None:
    """When the last image ends, which is not held beyond all reason."""
    for line in lines:
        if not line.is_sound:
            shown = _end_so_far(line, shifts)
            sound = max((ends[each.index] for each in lines if each.is_sound), default=shown)
            return min(ends[line.index], max(shown + _LONGEST_HOLD, sound))
    return None
