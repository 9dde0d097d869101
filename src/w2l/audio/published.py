"""Audio as the published inference script reads it: a 16-bit file, then `librosa.load`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from w2l.audio.waveform import load_audio, to_int16
from w2l.media.sound import open_sound
from w2l.windows import SAMPLE_RATE

RESAMPLER = "kaiser_best"  # the default of librosa 0.7.0, which the release pins; resampy's


def load_published(
    path: str | Path,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    track: int | None = None,
    say: Callable[[str], None],
) -> np.ndarray:
    """Load speech as `librosa.load(wav, sr=16000)` of librosa 0.7.0 does.

    The script first makes a 16-bit file of the audio's own rate. Channels are then averaged, and
    the rate is converted by resampy. At 16 kHz, mono, this is what `load_audio` gives. More than
    two channels are mixed as there.

    Args:
        path, start_s, end_s, track, say: as for `load_audio`.

    Returns:
        (n,) float32 in [-1, 1], 16 kHz.

    Raises:
        UserError: as `load_audio`.
    """
    with open_sound(path, track) as sound:
        rate = sound.stream.rate
        stereo = sound.stream.codec_context.layout.nb_channels == 2
    given = load_audio(
        path, sample_rate=rate, start_s=start_s, end_s=end_s, track=track, say=say,
        channels=2 if stereo else 1,
    )  # fmt: skip
    waveform = to_int16(given).astype(np.float32) / 32768
    waveform = waveform.mean(axis=1) if stereo else waveform
    if rate == SAMPLE_RATE:
        return waveform
    import librosa  # takes seconds, which other rates than 16 kHz alone need

    found: np.ndarray = librosa.resample(
        waveform, orig_sr=rate, target_sr=SAMPLE_RATE, res_type=RESAMPLER
    )
    return found
