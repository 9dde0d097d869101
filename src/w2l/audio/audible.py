"""Whether there is anything to be heard at all."""

from __future__ import annotations

import numpy as np

from w2l.windows import SAMPLE_RATE

SILENT_DB = -60  # of full scale: 33 steps of a 16-bit sample
SILENT = f"The sound is silent (nowhere over {SILENT_DB} dB): there is nothing to be in sync with."
_WINDOW = SAMPLE_RATE // 10  # samples


def is_silent(waveform: np.ndarray) -> bool:
    """Whether no tenth of a second is louder than `SILENT_DB`; a constant is not heard.

    No samples at all are too short, and not silent.

    Noise is not silence: whether somebody speaks in it, only a model of speech can tell.

    Args:
        waveform: (n,) mono at 16 kHz, float in [-1, 1] or int16.
    """
    scale = 1 / 32768 if waveform.dtype == np.int16 else 1.0
    least = 10 ** (SILENT_DB / 20) / scale
    starts = range(0, max(1, len(waveform)), _WINDOW)
    windows = (waveform[start : start + _WINDOW] for start in starts)
    # A short rest at the end counts as a whole window does: by its power.
    return len(waveform) > 0 and not any(
        float(np.std(each, dtype=np.float64)) > least for each in windows if len(each)
    )
