"""The log-mel spectrogram that generator and expert hear."""

from __future__ import annotations

from functools import lru_cache

import librosa
import numpy as np

from w2l.audio.constants import SAMPLE_RATE

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


@lru_cache(maxsize=1)
def _filter_bank() -> np.ndarray:
    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, fmin=F_MIN, fmax=F_MAX)


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
    emphasised = np.append(waveform[:1], waveform[1:] - PREEMPHASIS * waveform[:-1])
    padded = np.pad(emphasised, N_FFT // 2, mode="reflect")
    mel = np.empty((N_MELS, 1 + len(waveform) // HOP_LENGTH), np.float32)
    # Column by column nothing depends on the others, so an hour's spectrum is never held whole.
    for start in range(0, mel.shape[1], BLOCK_COLUMNS):
        stop = min(start + BLOCK_COLUMNS, mel.shape[1])
        piece = padded[start * HOP_LENGTH : (stop - 1) * HOP_LENGTH + N_FFT]
        spectrum = librosa.stft(piece, n_fft=N_FFT, hop_length=HOP_LENGTH, center=False)
        amplitude = _filter_bank() @ np.abs(spectrum)
        decibel = 20 * np.log10(np.maximum(1e-5, amplitude)) - REFERENCE_DB
        scaled = 2 * MAX_VALUE * (decibel - MIN_DB) / -MIN_DB - MAX_VALUE
        mel[:, start:stop] = np.clip(scaled, -MAX_VALUE, MAX_VALUE)
    return mel
