"""What the timestamps of a stream say, packet by packet, without decoding."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.lib.stride_tricks import sliding_window_view

from w2l.media import is_mp4, time_base

Stream = AudioStream | VideoStream

LONGEST_STILL = 10  # seconds; a longer step, with nothing in between, is a splice
JITTER_S = Fraction(11, 10_000)  # by which timestamps may be off: they are rounded to 1 ms
_SET_BACK_S = 0.1  # less is a clumsy writer, not another recording
_LEADING_S = 1  # by which the first images may be shown before the one stored first
_REORDERED = 16  # images at most that are stored before one that is shown earlier
_STEP = Fraction(1, 25)  # of a single image
_UNKNOWN, _NEVER = -(2**63), 2**63 - 1


class Piece(NamedTuple):
    """Timestamps without a jump: of packets from number `first` on, `start` to `end` (seconds)."""

    first: int
    order: int  # of its first packet among the packets of all streams
    start: Fraction
    end: Fraction


class Timestamps:
    """The timestamps of one stream, packet by packet, as they are stored.

    Attributes:
        pieces: what lies between its jumps.
        step: from one packet to the next, mostly (seconds).
    """

    def __init__(
        self,
        stream: Stream,
        columns: Sequence[Sequence[int]],  # pts, dts, lengths, place among all streams' packets
        stated_end: Fraction | None,
    ) -> None:
        self.index, self.base = stream.index, time_base(stream)
        self.is_sound = stream.type == "audio"
        # FFmpeg stamps the first page of a chained recording as if the one before went on, with the
        # decoder's delay counted as sound.
        self._is_ogg = stream.container.format.name == "ogg"
        self._pts, self._dts, self._lengths, self._order = np.array(columns, np.int64)
        runs = self._runs()
        steps = np.concatenate([np.diff(self._pts[run]) for run in runs])
        known = steps[steps > 0] if (steps > 0).any() else self._lengths[self._lengths > 0]
        step = int(np.median(known)) * self.base if len(known) else _STEP
        self.step = min(step, Fraction(LONGEST_STILL))
        self.pieces = list(self._pieces(runs))
        self.end = self._end(stated_end)
        self.is_gapless = self._is_gapless()

    def _runs(self) -> list[np.ndarray]:
        """Numbers of packets in the order in which they are shown, of each recording."""
        known = np.flatnonzero(self._pts != _UNKNOWN)
        parts = np.split(known, np.flatnonzero(self._set_back(known)))
        return [part[np.argsort(self._pts[part], kind="stable")] for part in parts]

    def _pieces(self, runs: Sequence[np.ndarray]) -> Iterator[Piece]:
        longest = float((self.step + LONGEST_STILL) / self.base)
        order = 0
        for number, run in enumerate(runs):
            first = int(run.min(initial=_NEVER)) if number else 0
            jumps = np.flatnonzero(np.diff(self._pts[run]) > longest) + 1
            for part in np.split(run, jumps) if len(run) else ():
                start, last = (int(self._pts[i]) * self.base for i in (part[0], part[-1]))
                length = int(self._lengths[part[-1]]) * self.base
                if not (self.is_sound and 0 < length < self.step):  # mp4 counts the jump as well
                    length = self.step
                if start < 0 < last:  # what the decoder needs, and drops
                    start = Fraction(0)
                if self._is_ogg and number:
                    start += max(0, -int(self._pts[runs[0][0]])) * self.base
                order = max(order, int(self._order[part].min()))
                yield Piece(first, order, start, last + length)

    def _set_back(self, known: np.ndarray) -> np.ndarray:
        """Whether another recording, with an earlier clock, begins with a packet."""
        if not len(known):
            return np.zeros(0, bool)
        pts, dts = self._pts[known], self._dts[known]
        least = _SET_BACK_S / float(self.base)
        # Images may be stored after ones that are shown later, but only so many of them.
        in_order = self.is_sound or np.array_equal(pts, dts)
        depth = 1 if in_order else _REORDERED
        before = sliding_window_view(np.concatenate([np.full(depth, _NEVER), pts]), depth)
        back = pts < before.min(1)[:-1] - least
        if not in_order:
            back[:depth] &= pts[:depth] < pts[0] - _LEADING_S / float(self.base)
        both = (dts[1:] != _UNKNOWN) & (dts[:-1] != _UNKNOWN)
        back[1:] |= both & (np.diff(dts) < -least)
        back[0] = False
        return back

    def _end(self, stated: Fraction | None) -> Fraction:
        """When the last packet ends, on the stream's own clock."""
        if not self.pieces:
            return Fraction(0)
        last = int(self._pts[self.pieces[-1].first :].argmax()) + self.pieces[-1].first
        own = int(self._pts[last] + self._lengths[last]) * self.base
        return max(self.pieces[-1].end, own if stated is None else stated)

    def _is_gapless(self) -> bool:
        pts = self._pts[self._pts != _UNKNOWN]
        steps = np.diff(pts)[:-1]
        off = np.abs(steps - float(self.step / self.base))
        return not (off > max(1.1, float(JITTER_S / self.base))).any()


def from_index(container: InputContainer, streams: Sequence[Stream]) -> list[Timestamps] | None:
    """By the index of an mp4 file that is all there; None elsewhere."""
    if not is_mp4(container):
        return None
    lines = []
    for stream in streams:
        times = [entry.timestamp for entry in stream.index_entries]
        if not times or len(times) != stream.frames:
            return None
        lengths = [*np.diff(times).tolist(), 0]
        end = _mp4_end(stream)
        lines.append(Timestamps(stream, (times, times, lengths, range(len(times))), end))
    return lines


def _mp4_end(stream: Stream) -> Fraction | None:
    # Durations of an mp4's packets are steps of decoding, and say nothing of the image shown last.
    if stream.duration is None:
        return None
    return ((stream.start_time or 0) + stream.duration) * time_base(stream)


def from_packets(container: InputContainer, streams: Sequence[Stream]) -> list[Timestamps]:
    columns = {stream.index: [array("q") for _ in range(4)] for stream in streams}
    with suppress(av.error.FFmpegError):  # a file cut short
        for order, packet in enumerate(container.demux(*streams)):
            row = packet.pts, packet.dts, packet.duration or 0, order
            if packet.size or packet.pts is not None:  # else the end of a stream
                for column, value in zip(columns[packet.stream_index], row, strict=True):
                    column.append(_UNKNOWN if value is None else value)
    ends = [_mp4_end(each) if is_mp4(container) else None for each in streams]
    return [
        Timestamps(stream, columns[stream.index], end)
        for stream, end in zip(streams, ends, strict=True)
    ]
