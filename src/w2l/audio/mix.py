"""Several voices as one sound."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from w2l.audio.waveform import to_int16


def placed(waveform: np.ndarray, start: int, length: int) -> np.ndarray:
    """Silence of `length` samples with `waveform` (n, …) from `start` on, as far as it fits."""
    sound = np.zeros((length, *waveform.shape[1:]), np.float32)
    part = waveform[: max(0, length - start)]
    sound[start : start + len(part)] = part
    return sound


def mix(sounds: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of sounds (n,) or (n, channels) of one shape, each at its own level.

    Where the sum is beyond [-1, 1] anywhere, all of it is turned down as far as that takes, so
    that nothing is clipped and nothing pumps.
    """
    total = np.sum(sounds, axis=0, dtype=np.float32)
    return np.asarray(total / max(1.0, float(np.abs(total).max(initial=0))), np.float32)


def write_wav(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Samples (n,) or (n, channels) in [-1, 1] as 16-bit PCM."""
    channels = 1 if waveform.ndim == 1 else waveform.shape[1]
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, sample_rate, 0, "NONE", "NONE"))
        file.writeframes(to_int16(waveform).astype("<i2").tobytes())
