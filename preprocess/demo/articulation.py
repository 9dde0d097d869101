"""From sound to lips: how open and how wide the mouth is in each video frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from w2l.audio import SAMPLE_RATE

HOP = 80  # samples: 5 ms
WINDOW = 400  # samples: 25 ms
OPENING_BAND_HZ = (300, 3000)  # vowels and other open sounds; not the hum of a closed mouth
FRONT_BAND_HZ = (1500, 3000)  # strong in spread vowels (see)
BACK_BAND_HZ = (300, 900)  # strong in rounded vowels (two)
QUIETEST_DB = -28.0  # below the loud parts of the clip: the mouth is closed
FAINTEST_DB = 0.0  # of `_band_db`: no clip's loud parts count as fainter, so silence stays silence
SMOOTHING_S = 0.06  # width of the smoothing at half its height


class Articulation(NamedTuple):
    """The mouth over a clip of n frames."""

    opening: np.ndarray  # (n,) float32 in [0, 1]: 0 closed, 1 the widest open
    width: np.ndarray  # (n,) float32 in [-1, 1]: -1 rounded, 0 at rest, 1 spread


def articulate(waveform: np.ndarray, n_frames: int, fps: float = 25.0) -> Articulation:
    """Mouth shapes that follow the sound without delay.

    Frame i shows the mouth as the sound is in the middle of the time that the frame is on the
    screen, (i + 1/2) / fps, as a camera with a long exposure would. Smoothing is symmetric in
    time, so it moves nothing.

    Args:
        waveform: (samples,) float32 at 16 kHz.
        n_frames: frames of the clip.
        fps: of the video.
    """
    power = _spectrogram(waveform)
    opening_db = _band_db(power, OPENING_BAND_HZ)
    loud = max(float(np.percentile(opening_db, 95)), FAINTEST_DB)
    opening = np.clip(1 - (opening_db - loud) / QUIETEST_DB, 0, 1)
    tilt_db = _band_db(power, FRONT_BAND_HZ) - _band_db(power, BACK_BAND_HZ)
    spoken = opening > 0.3
    centre = np.median(tilt_db[spoken]) if spoken.any() else 0.0
    # A closed mouth has no vowel: it is at rest.
    width = np.tanh((tilt_db - centre) / 12) * opening
    times = (np.arange(n_frames) + 0.5) / fps
    return Articulation(_sampled(opening, times), _sampled(width, times))


def _spectrogram(waveform: np.ndarray) -> np.ndarray:
    """Power, (windows, frequencies); window j is centred on sample j · HOP."""
    padded = np.pad(waveform, WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=1)) ** 2


def _band_db(power: np.ndarray, band_hz: tuple[float, float]) -> np.ndarray:
    frequency = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    inside = (frequency >= band_hz[0]) & (frequency < band_hz[1])
    # The floor, far below speech, keeps digital silence finite.
    return 10 * np.log10(power[:, inside].sum(axis=1) + 1e-4)


def _sampled(curve: np.ndarray, times: np.ndarray) -> np.ndarray:
    sigma = SMOOTHING_S / 2.355 * SAMPLE_RATE / HOP
    smooth = gaussian_filter1d(curve, sigma, mode="nearest")
    return np.interp(times, np.arange(len(curve)) * HOP / SAMPLE_RATE, smooth).astype(np.float32)
