"""Sound that comes bit by bit: its mel spectrogram as far as that is final, and other rates."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from w2l.audio.mel import HOP_LENGTH, N_FFT, N_MELS, SILENCE, emphasised, log_mel_columns
from w2l.audio.waveform import converter
from w2l.errors import UserError
from w2l.media import pull
from w2l.windows import SAMPLE_RATE

HALF = N_FFT // 2  # samples that a column hears on either side
KEPT = 3 * SAMPLE_RATE  # samples to which `MelStream.cut` may go back
MOST_CHANNELS = 64  # more are samples, and the array lies the other way round


class MelStream:
    """The log-mel spectrogram of samples that come bit by bit: `log_mel`'s, to the bit.

    A column hears 25 ms on either side of its place, so it is final when 25 ms more have come. At
    the end the spectrogram is mirrored, which is known when the end is. What is older than three
    seconds is forgotten.

    Attributes:
        n_samples: that have come.
        n_columns: that are final.

    Example:
        >>> stream = MelStream()
        >>> stream.push(np.zeros(1000, np.float32))
        >>> stream.n_columns
        4
        >>> stream.finish()
        >>> stream.n_columns
        6
    """

    def __init__(self) -> None:
        self.n_samples = 0
        self.n_columns = 0
        self._samples = np.zeros(0, np.float32)  # the last ones
        self._mel = np.zeros((N_MELS, 0), np.float32)  # the last ones

    def push(self, samples: np.ndarray) -> None:
        """Take float32 (n,), 16 kHz mono in [-1, 1]; n may be 0."""
        self._samples = np.concatenate([self._samples, samples])
        self.n_samples += len(samples)
        if self.n_samples > HALF:  # the first column mirrors sample 400
            self._extend((self.n_samples - HALF) // HOP_LENGTH + 1)
        self._forget()

    def finish(self) -> None:
        """No more samples come: the last columns are mirrored; what is under 401 gets silence."""
        if self.n_samples <= HALF:
            self.push(np.zeros(HALF + 1 - self.n_samples, np.float32))
        self._extend(1 + self.n_samples // HOP_LENGTH)

    def window(self, start: int, length: int) -> np.ndarray:
        """Columns `start` … `start + length - 1`, (80, length); silence from the last one on."""
        first = self.n_columns - self._mel.shape[1]
        if start < first:
            raise ValueError(f"column {start} is forgotten: the oldest is {first}")
        found = self._mel[:, start - first : start - first + length]
        return np.pad(found, ((0, 0), (0, length - found.shape[1])), constant_values=SILENCE)

    def samples(self, start: int, stop: int) -> np.ndarray:
        """The samples `start` … `stop - 1`, which must not be older than three seconds."""
        first = self.n_samples - len(self._samples)
        if start < first:
            raise ValueError(f"sample {start} is forgotten: the oldest is {first}")
        return self._samples[start - first : stop - first]

    def cut(self, n_samples: int) -> None:
        """Take back all samples but the first `n_samples`, as if no more had come."""
        if n_samples >= self.n_samples:
            return
        self._samples = self.samples(self.n_samples - len(self._samples), n_samples)
        final = max(0, (n_samples - HALF) // HOP_LENGTH + 1) if n_samples > HALF else 0
        if final < self.n_columns:
            first = self.n_columns - self._mel.shape[1]
            self._mel, self.n_columns = self._mel[:, : max(0, final - first)], final
        self.n_samples = n_samples

    def _extend(self, n_columns: int) -> None:
        """Compute the columns up to `n_columns`, mirrored at both ends of what has come."""
        if n_columns <= self.n_columns:
            return
        start, stop = self.n_columns * HOP_LENGTH - HALF, (n_columns - 1) * HOP_LENGTH + HALF
        places = np.abs(np.arange(start, stop))
        places = np.where(places < self.n_samples, places, 2 * (self.n_samples - 1) - places)
        low = int(places.min())
        known = self.samples(max(0, low - 1), self.n_samples)
        heard = emphasised(known[1:], float(known[0])) if low > 0 else emphasised(known)
        new = log_mel_columns(heard[places - low], self.n_columns)
        self._mel = np.concatenate([self._mel, new], axis=1)
        self.n_columns = n_columns

    def _forget(self) -> None:
        """Keep three seconds; in steps of three, so that little is copied."""
        if len(self._samples) > 2 * KEPT and self.n_columns:
            self._samples = self._samples[-KEPT:]
        if self._mel.shape[1] > 2 * KEPT // HOP_LENGTH:
            self._mel = self._mel[:, -KEPT // HOP_LENGTH :]


class LiveResampler:
    """Samples of any rate and number of channels, bit by bit, as mono of another rate.

    The same filter as for files (FFmpeg's), so the samples are those that `load_audio` gives of all
    of them in one file; what is mono of the wanted rate already passes through. The ratio is exact:
    nothing drifts, however long it goes on.

    Args:
        sample_rate: of what comes, Hz.
        wanted: of what is given, Hz.

    Attributes:
        seconds: that have come, exactly.
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE, wanted: int = SAMPLE_RATE) -> None:
        if isinstance(sample_rate, bool) or sample_rate <= 0 or sample_rate != int(sample_rate):
            raise UserError(f"sample_rate={sample_rate} must be a whole number of Hz, over 0.")
        self._rate, self._wanted = int(sample_rate), wanted
        self._graph: Graph | None = None
        self._kind: tuple[str, int] | None = None
        self._taken = 0

    @property
    def seconds(self) -> Fraction:
        """Length of what has come."""
        return Fraction(self._taken, self._rate)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """What is ready of all that has come: float32 (m,).

        Args:
            samples: float32 in [-1, 1] or int16, (n,) or (n, channels); n may be 0.

        Raises:
            UserError: another kind of array, or than before; samples that are not numbers.
        """
        samples = _checked(samples)
        if len(samples) == 0:
            return np.zeros(0, np.float32)
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        kind = (str(samples.dtype), channels)
        if self._kind not in (None, kind):
            raise UserError(
                f"the audio's chunks change from {self._kind} to {kind}: send one kind."
            )
        self._kind = kind
        start, self._taken = self._taken, self._taken + len(samples)
        if self._rate == self._wanted and channels == 1:
            mono = samples.reshape(-1)
            return mono / np.float32(32768) if mono.dtype == np.int16 else mono.copy()
        block = AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.reshape(1, -1)),
            "s16" if samples.dtype == np.int16 else "flt",
            "mono" if channels == 1 else "stereo" if channels == 2 else f"{channels}c",
        )
        block.sample_rate, block.time_base, block.pts = (
            self._rate, Fraction(1, self._rate), start,
        )  # fmt: skip
        self._graph = self._graph or converter(block, None, self._wanted, 1)
        return _joined(self._graph, block)

    def finish(self) -> np.ndarray:
        """What the filter still held: float32 (m,)."""
        return np.zeros(0, np.float32) if self._graph is None else _joined(self._graph, None)


def _joined(graph: Graph, block: AudioFrame | None) -> np.ndarray:
    blocks = [out.to_ndarray().reshape(-1) for out in pull(graph, block)]
    return np.concatenate([np.zeros(0, np.float32), *blocks])


def _checked(samples: np.ndarray) -> np.ndarray:
    samples = np.asarray(samples)
    kinds = samples.dtype in (np.float32, np.int16) and samples.ndim in (1, 2)
    if not kinds or (samples.ndim == 2 and not 1 <= samples.shape[1] <= MOST_CHANNELS):
        raise UserError(
            "audio comes in chunks (n,) or (n, channels) of float32 in [-1, 1] or int16, not "
            f"{samples.shape} of {samples.dtype}."
        )
    if samples.dtype == np.float32 and not np.isfinite(samples).all():
        raise UserError("the audio has samples that are not numbers (NaN or infinite).")
    return samples
