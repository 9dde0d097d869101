"""Frames for speech that comes bit by bit, by the same steps as for a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from w2l.audio import SAMPLE_RATE
from w2l.audio.live import MelStream
from w2l.audio.mel import HOP_LENGTH, N_FFT
from w2l.inference.lips import Heard, ReadyFace, put_back, say
from w2l.inference.silence import FADE_S, near
from w2l.inference.source import SourceFrame
from w2l.inference.timeline import as_loud, frame_count, indices, runs, window_start
from w2l.windows import FPS, MEL_COLUMNS

if TYPE_CHECKING:
    from w2l.inference.avatar import Avatar

IDLE_DB = -50.0  # of full scale: quieter is nobody's speech
HOLD_S = 0.3  # shorter pauses belong to the speech around them
_LEVEL = SAMPLE_RATE // 100  # samples whose level is taken at once
_FORGET_S = 4.0  # more than an interruption goes back
_AT_ONCE = SAMPLE_RATE  # samples that are pushed before their frames are made


class IdleGate:
    """How much of the speech is to be seen, by its level: 1 while somebody speaks, 0 in silence.

    From the first loud hundredth of a second on somebody speaks, until it was quiet for 0.3 s. In
    and out it goes in 0.16 s, in before the speech begins. (For files silero-vad looks at all of
    the speech; of what comes live the future is not known.)

    Args:
        level_db: of full scale, under which a hundredth of a second is quiet.
    """

    def __init__(self, level_db: float = IDLE_DB) -> None:
        self._least = 10 ** (level_db / 20)
        self._n = 0  # hundredths of a second that were looked at
        self._spans: list[list[int]] = []  # (first, stop) of those that are loud

    def update(self, mel: MelStream) -> None:
        """Look at the samples that have come."""
        n = mel.n_samples // _LEVEL
        samples = mel.samples(self._n * _LEVEL, n * _LEVEL).reshape(-1, _LEVEL)
        for level in np.std(samples, axis=1, dtype=np.float64):
            if level > self._least:
                if self._spans and self._spans[-1][1] == self._n:
                    self._spans[-1][1] += 1
                else:
                    self._spans.append([self._n, self._n + 1])
            self._n += 1

    def cut(self, n_samples: int) -> None:
        """Forget all but the first samples."""
        self._n = min(self._n, n_samples // _LEVEL)
        self._spans = [[a, min(b, self._n)] for a, b in self._spans if a < self._n]

    def share(self, time_s: float, ahead_s: float) -> np.float32:
        """Of the frame at a time, when `ahead_s` seconds after it may be known: 0 to 1."""
        while len(self._spans) > 1 and self._spans[1][0] / 100 < time_s - _FORGET_S:
            self._spans.pop(0)
        until = 100 * (time_s + ahead_s)
        spans = [(a / 100, min(b, until) / 100 + HOLD_S) for a, b in self._spans if a < until]
        return np.float32(near(np.array([time_s]), np.array(spans).reshape(-1, 2))[0])


class Asked(NamedTuple):
    """A frame that is to be made."""

    heard: Heard
    ready: ReadyFace | None  # None: it stays as it is


class LiveFrames:
    """The frames of an avatar for samples that are pushed: 16 kHz, mono.

    Args:
        avatar: whose.
        idle_db: for `IdleGate`, where `options.silence` is not "sync".

    Attributes:
        next_frame: number of the first frame that was not made yet.
    """

    def __init__(self, avatar: Avatar, idle_db: float = IDLE_DB) -> None:
        self.next_frame = 0
        self.mel = MelStream()
        self._avatar, self._options = avatar, avatar.options
        self._lead = avatar.generator.lead_frames
        silence = self._options.silence
        self._gate = None if silence == "sync" else IdleGate(idle_db)
        restoration = self._options.restoration
        self._restoration = None if restoration is None else restoration.fresh()
        self._numbers = self._from(0)
        # Of a frame's window so much is surely known after its time, less a column's rounding.
        columns = MEL_COLUMNS - 2 + N_FFT // 2 / HOP_LENGTH
        self._ahead_s = min(FADE_S, columns * HOP_LENGTH / SAMPLE_RATE - self._lead / FPS - 0.01)

    def push(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Take float32 (n,) in [-1, 1]; yield the frames of all batches that it makes whole."""
        for start in range(0, max(1, len(samples)), _AT_ONCE):
            self.take(samples[start : start + _AT_ONCE])
            while self.is_ready():
                yield from self.make(self._options.batch_size)

    def finish(self, seconds: Fraction) -> Iterator[np.ndarray]:
        """The frames that are left of speech of so many seconds, of which no more comes."""
        if not self.mel.n_samples:
            return
        self.mel.finish()
        n_frames = frame_count(seconds.numerator, seconds.denominator, self._avatar.fps)
        while (left := n_frames - self.next_frame) > 0:
            yield from self.make(min(left, self._options.batch_size))

    def take(self, samples: np.ndarray) -> None:
        """Take samples, and make nothing of them yet."""
        self.mel.push(samples)
        if self._gate is not None:
            self._gate.update(self.mel)

    def is_ready(self, n: int | None = None) -> bool:
        """Whether all that the next `n` frames hear has come; None: the next batch."""
        last = self.next_frame + (n or self._options.batch_size) - 1
        start = window_start(last, self._avatar.fps, self._lead)
        return start + MEL_COLUMNS <= self.mel.n_columns

    def skip(self, n: int) -> None:
        """Leave out the next `n` frames: they are not made."""
        self.next_frame += n
        next(islice(self._numbers, n - 1, n), None)

    def cut(self, frame: int, n_samples: int) -> None:
        """Go back to an earlier frame, and forget all samples but the first ones."""
        self.mel.cut(n_samples)
        if self._gate is not None:
            self._gate.cut(n_samples)
        self.next_frame, self._numbers = frame, self._from(frame)

    def make(self, n: int) -> list[np.ndarray]:
        """The next `n` frames, through the generator at once."""
        return self.work(self.gather(n))

    def gather(self, n: int) -> list[Asked]:
        """All that the next `n` frames take; quick."""
        first = self.next_frame
        self.next_frame += n
        return [self._asked(index, next(self._numbers)) for index in range(first, first + n)]

    def work(self, batch: Sequence[Asked]) -> list[np.ndarray]:
        """Make a batch; also in another thread, one batch after the other."""
        said = say(batch, self._avatar.generator)
        shown = put_back(said, self._options, self._restoration)
        return [self._avatar.layout(image) for image in shown]

    def _asked(self, index: int, number: int) -> Asked:
        heard = self._heard(index, SourceFrame(number, self._avatar.frames[number].copy()))
        return Asked(heard, self._avatar.ready(number))

    def _heard(self, index: int, image: SourceFrame) -> Heard:
        start = window_start(index, self._avatar.fps, self._lead)
        window = self.mel.window(start, MEL_COLUMNS)
        if self._gate is None:
            return Heard(image, window, 1.0)
        share = self._gate.share(float(index / self._avatar.fps), self._ahead_s)
        if self._options.silence == "pass":
            return Heard(image, window, float(share))
        return Heard(image, as_loud(window, share), 1.0)

    def _from(self, frame: int) -> Iterator[int]:
        """The avatar's frames that output frames `frame`, `frame` + 1, … show."""
        shown = runs(sys.maxsize, len(self._avatar), self._options.extend)
        numbers = chain.from_iterable(map(indices, shown))
        return islice(numbers, frame, None)
