"""The MFCCs that SyncNet v2 hears."""

from __future__ import annotations

import numpy as np
import python_speech_features

from w2l.audio.constants import SAMPLE_RATE
from w2l.audio.waveform import to_int16

MFCC_FPS = 100  # columns a second


def mfcc(waveform: np.ndarray) -> np.ndarray:
    """Mel-frequency cepstral coefficients as the published SyncNet evaluation computes them.

    They are those of **int16-scaled** samples: the first coefficient is a log energy, so the
    scale changes the features and with them LSE.

    Args:
        waveform: mono samples at 16 kHz, (n,), int16 or float in [-1, 1].

    Returns:
        float32 (13, m), 100 columns a second.
    """
    features = python_speech_features.mfcc(to_int16(waveform), SAMPLE_RATE)
    return np.ascontiguousarray(features.T, dtype=np.float32)
