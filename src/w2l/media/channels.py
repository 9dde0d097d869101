"""Several channels of sound as one: where FFmpeg cannot mix them, and where they cancel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
from av.audio.frame import AudioFrame

# Numbers of channels for which FFmpeg guesses how the speakers stand, so that it can mix them.
_GUESSED = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24}
# A mix this much weaker than that of unrelated channels, in power: they are each other's opposite.
_CANCELLED = 0.1


def mixable(frames: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
    """Blocks as they are, or where FFmpeg cannot mix their channels, the mean of these."""
    for frame in frames:
        yield frame if _can_mix(frame) else one_channel(frame)


def one_channel(frame: AudioFrame, channel: int | None = None) -> AudioFrame:
    """One channel of a block, from 0 on, or the mean of all, as a float block of the same time."""
    samples = _by_channel(frame)
    chosen = samples.mean(axis=0) if channel is None else samples[channel]
    mono = AudioFrame.from_ndarray(
        np.ascontiguousarray(chosen[None], np.float32), format="fltp", layout="mono"
    )
    mono.sample_rate, mono.pts, mono.time_base = frame.sample_rate, frame.pts, frame.time_base
    return mono


class Balance:
    """Hears blocks, and tells whether their channels cancel in the mix."""

    def __init__(self) -> None:
        self._n = 0
        # Of each channel and, last, of their sum: samples added up, and their squares.
        self._sums = self._squares = np.zeros(0)

    def add(self, frame: AudioFrame) -> None:
        """Hear one block."""
        if frame.layout.nb_channels < 2:
            return
        samples = _by_channel(frame)
        samples = np.vstack([samples, samples.sum(axis=0)]).astype(np.float64)
        if len(self._sums) != len(samples):  # at the start, and where a broadcast switches
            self._n, self._sums, self._squares = 0, np.zeros(len(samples)), np.zeros(len(samples))
        self._n += samples.shape[1]
        self._sums += samples.sum(axis=1)
        self._squares += (samples**2).sum(axis=1)

    def cancelled(self) -> int | None:
        """The loudest channel, from 0 on, where the mix has lost what they have; else None."""
        if not self._n:
            return None
        powers = self._squares / self._n - (self._sums / self._n) ** 2  # without the constant part
        channels, total = powers[:-1], powers[-1]
        # Those of channels that have nothing to do with each other add up.
        return int(channels.argmax()) if total < _CANCELLED * channels.sum() else None


def _can_mix(frame: AudioFrame) -> bool:
    count, name = frame.layout.nb_channels, frame.layout.name
    is_plain = re.fullmatch(r"\d+ channels.*|ambisonic.*", name)
    return count in _GUESSED or not is_plain


def _by_channel(frame: AudioFrame) -> np.ndarray:
    """Samples (channels, n) in [-1, 1] as float32, or float64 where they come so."""
    samples, count = frame.to_ndarray(), frame.layout.nb_channels
    if not frame.format.is_planar:
        samples = samples.reshape(-1, count).T
    if samples.dtype.kind == "f":
        return samples
    middle = 128 if samples.dtype == np.uint8 else 0
    return (samples.astype(np.float32) - middle) / np.float32(2 ** (8 * samples.itemsize - 1))
