"""The log-mel spectrogram that generator and expert hear.

The same numbers as librosa's, which the tests ask; importing that, with numba and the rest, takes
seconds and 160 MB.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from w2l.audio.waveform import to_int16
from w2l.windows import SAMPLE_RATE

MFCC_FPS = 100  # columns a second
N_FFT = 800  # samples; also the window's length
HOP_LENGTH = 200  # samples
N_MELS = 80
MEL_FPS = SAMPLE_RATE // HOP_LENGTH  # 80 columns a second
F_MIN, F_MAX = 55.0, 7600.0  # Hz
PREEMPHASIS = 0.97
REFERENCE_DB = 20.0
MIN_DB = -100.0
MAX_VALUE = 4.0
SILENCE = -MAX_VALUE
BLOCK_COLUMNS = 60 * MEL_FPS  # columns computed at once
# Columns of one matrix product, whose last bits depend on its shape. Column k lies at k % 16 of it,
# so that it is the same to the bit however many are computed at once. Divides BLOCK_COLUMNS.
_TOGETHER = 16

# Slaney's scale: even steps of frequency up to 1000 Hz, of its logarithm above.
_STEP_HZ = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _STEP_HZ
_LOG_STEP = np.log(6.4) / 27


def mfcc(waveform: np.ndarray) -> np.ndarray:
    """Mel-frequency cepstral coefficients as the published SyncNet evaluation computes them.

    They are those of **int16-scaled** samples: the first coefficient is a log energy, so the
    scale changes the features and with them LSE.

    Args:
        waveform: mono samples at 16 kHz, (n,), int16 or float in [-1, 1].

    Returns:
        float32 (13, m), 100 columns a second.
    """
    import python_speech_features  # with SciPy 0.2 s, which only scoring needs to pay

    features = python_speech_features.mfcc(to_int16(waveform), SAMPLE_RATE)
    return np.ascontiguousarray(features.T, dtype=np.float32)


@lru_cache(maxsize=1)
def _filter_bank() -> np.ndarray:
    """Triangles of area 1 on Slaney's scale, float32 (80, 401)."""
    ends = np.linspace(_to_mel(F_MIN), _to_mel(F_MAX), N_MELS + 2)
    corners = _STEP_HZ * ends
    above = ends >= _BREAK_MEL
    corners[above] = _BREAK_HZ * np.exp(_LOG_STEP * (ends[above] - _BREAK_MEL))
    widths = np.diff(corners)
    distances = corners[:, None] - np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    rising = -distances[:-2] / widths[:-1, None]
    falling = distances[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    triangles *= (2 / (corners[2:] - corners[:-2]))[:, None]
    return triangles


def _to_mel(hertz: float) -> float:
    if hertz < _BREAK_HZ:
        return hertz / _STEP_HZ
    return float(_BREAK_MEL + np.log(hertz / _BREAK_HZ) / _LOG_STEP)


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    """Hann's, periodic."""
    return np.hanning(N_FFT + 1)[:-1]


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram as published, reflect-padded at the ends.

    The release pins librosa 0.7, whose padding was "reflect"; librosa ≥ 0.10 pads with zeros,
    which changes the first and last two columns, so the mode is named here.

    Args:
        waveform: mono samples at 16 kHz in [-1, 1], (n,) with n > 400.

    Returns:
        float32 (80, 1 + n // 200) in [-4, 4]; silence is -4.

    Raises:
        ValueError: fewer than 401 samples, too few for the padding.
    """
    if waveform.ndim != 1 or len(waveform) <= N_FFT // 2:
        raise ValueError(f"log_mel needs more than {N_FFT // 2} mono samples, got {waveform.shape}")
    waveform = waveform.astype(np.float32, copy=False)
    padded = np.pad(emphasised(waveform), N_FFT // 2, mode="reflect")
    mel = np.empty((N_MELS, 1 + len(waveform) // HOP_LENGTH), np.float32)
    # Column by column nothing depends on the others, so an hour's spectrum is never held whole.
    for start in range(0, mel.shape[1], BLOCK_COLUMNS):
        stop = min(start + BLOCK_COLUMNS, mel.shape[1])
        piece = padded[start * HOP_LENGTH : (stop - 1) * HOP_LENGTH + N_FFT]
        mel[:, start:stop] = log_mel_columns(piece, start)
    return mel


def emphasised(waveform: np.ndarray, before: float | None = None) -> np.ndarray:
    """x[t] - 0.97 x[t - 1], float32 (n,); `before` is the sample before the first, None: none."""
    first = waveform[:1] if before is None else waveform[:1] - PREEMPHASIS * np.float32(before)
    return np.append(first, waveform[1:] - PREEMPHASIS * waveform[:-1])


def log_mel_columns(piece: np.ndarray, start: int) -> np.ndarray:
    """The columns `start`, `start` + 1, … whose samples are given.

    Args:
        piece: emphasised and padded, float32 (200 (k - 1) + 800,): column c of the spectrogram
            hears samples 200 c - 400 … 200 c + 399.
        start: number of the first column.

    Returns:
        float32 (80, k) in [-4, 4].
    """
    spectrum = np.fft.rfft(sliding_window_view(piece, N_FFT)[::HOP_LENGTH] * _window())
    before = start % _TOGETHER
    stop = before + len(spectrum)
    blocks = np.zeros((-(-stop // _TOGETHER), _TOGETHER, N_FFT // 2 + 1), np.float32)
    np.abs(spectrum.astype(np.complex64), out=blocks.reshape(-1, N_FFT // 2 + 1)[before:stop])
    amplitude = np.matmul(_filter_bank(), blocks.transpose(0, 2, 1))
    amplitude = amplitude.transpose(1, 0, 2).reshape(N_MELS, -1)[:, before:stop]
    decibel = 20 * np.log10(np.maximum(1e-5, amplitude)) - REFERENCE_DB
    scaled = 2 * MAX_VALUE * (decibel - MIN_DB) / -MIN_DB - MAX_VALUE
    return np.asarray(np.clip(scaled, -MAX_VALUE, MAX_VALUE))
