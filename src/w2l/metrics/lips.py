"""How lips and sound go together, without a network for sync: plain functions on arrays.

Shapes: F frames at 25 fps, points (F, 68, 2) in pixels in the order of 300-W, sound float (n,) mono
at 16 kHz, `speech` and `silent` bool (F,).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

SAMPLE_RATE, SAMPLES_PER_FRAME = 16000, 640
REACH = 15  # frames, as in LSE
SMOOTHED = 3  # frames of the mean before a change is taken
NEAR = 2  # frames beside the peak that are the peak's own
BAND = (200.0, 4000.0)  # Hz, where speech is
HOP, SPAN = 160, 512  # samples from one spectrum to the next, and of each
BESIDE = 4  # spectra before and after a frame's time that are the frame's, 90 ms in all
THEVAL_WINDOW = 800  # samples: 50 ms
MIN_PAUSE = 8  # frames: THEval's 300 ms
THEVAL_FRAMES = 500  # that lip dynamics are of
OPEN = 0.15  # opening over width of the inner lips from which a mouth is open
UPPER, LOWER = [61, 62, 63], [67, 66, 65]  # inner lips, from the image's left
OUTER_UPPER, OUTER_LOWER = [50, 51, 52], [58, 57, 56]
EYES = (36, 45)  # their outer corners
LIPS = slice(48, 68)


def eye_distance(points: Floats) -> Floats:
    """Distance of the outer eye corners (F,)."""
    return np.linalg.norm(points[:, EYES[0]] - points[:, EYES[1]], axis=1)


def opening(points: Floats) -> Floats:
    """How far the lips' inner and outer edges are apart (F,), each in its own deviations."""
    inner = _gap(points, UPPER, LOWER)
    outer = _gap(points, OUTER_UPPER, OUTER_LOWER)
    return _standard(inner) + _standard(outer)


def _gap(points: Floats, upper: list[int], lower: list[int]) -> Floats:
    between = points[:, upper].mean(axis=1) - points[:, lower].mean(axis=1)
    return np.linalg.norm(between, axis=1) / eye_distance(points)


def _standard(values: Floats) -> Floats:
    return (values - values.mean()) / (values.std() + 1e-9)


def speech_bands(sound: Floats) -> Floats:
    """Power of the sound in 40 mel bands from 200 to 4000 Hz, every 10 ms: (40, T)."""
    import librosa  # takes a second, which other scores need not pay

    return librosa.feature.melspectrogram(
        y=np.asarray(sound, np.float32), sr=SAMPLE_RATE, n_fft=SPAN, hop_length=HOP,
        n_mels=40, fmin=BAND[0], fmax=BAND[1],
    )  # fmt: skip


def loudness(bands: Floats, n_frames: int) -> Floats:
    """Square root of the RMS (F,) in 90 ms around each frame's time."""
    return _around(bands.sum(axis=0), n_frames) ** 0.25


def onsets(bands: Floats, n_frames: int) -> Floats:
    """How strongly a sound begins (F,), in 90 ms around each frame's time: spectral flux."""
    import librosa

    strength = librosa.onset.onset_strength(
        S=librosa.power_to_db(bands), sr=SAMPLE_RATE, n_fft=SPAN, hop_length=HOP, center=False
    )
    return _around(strength, n_frames)


def _around(values: Floats, n_frames: int) -> Floats:
    """Means of what is there every 10 ms (T,) around each frame's time; 0 after its end."""
    centres = np.arange(n_frames) * (SAMPLES_PER_FRAME // HOP)
    first = np.minimum(np.maximum(centres - BESIDE, 0), len(values))
    end = np.minimum(centres + BESIDE + 1, len(values))
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.maximum(sums[end] - sums[first], 0.0) / np.maximum(end - first, 1)


def sync_curve(mouth: Floats, bands: Floats) -> Floats:
    """How well mouth and sound go together when the sound is moved, (2 · REACH + 1,).

    Mean of two correlations, of the changes of opening and loudness, and of the speed at which the
    mouth opens with the onsets; each times the root of the overlap, so that few frames do not win
    by chance. Entry REACH + k is offset k, positive where the sound is early, as in LSE. NaN where
    nothing moves.

    Args:
        mouth: opening (F,).
        bands: see `speech_bands`.
    """
    change = _change(mouth)
    loud = _change(loudness(bands, len(mouth)))
    opens = np.maximum(change, 0.0)
    return (_correlations(change, loud) + _correlations(opens, onsets(bands, len(mouth)))) / 2


def _correlations(lips: Floats, sound: Floats) -> Floats:
    n = len(lips)
    curve = np.full(2 * REACH + 1, np.nan)
    for shift in range(-REACH, REACH + 1):
        a = lips[max(0, shift) : n + min(0, shift)]
        b = sound[max(0, -shift) : n + min(0, -shift)]
        if len(a) > 1 and a.std() > 1e-9 and b.std() > 1e-9:
            curve[REACH + shift] = np.corrcoef(a, b)[0, 1] * np.sqrt(len(a))
    return curve


def _change(values: Floats) -> Floats:
    return np.gradient(np.convolve(values, np.full(SMOOTHED, 1 / SMOOTHED), "same"))


def best_shift(curve: Floats) -> tuple[int, float]:
    """The offset of a curve's peak, and its confidence: how far it is over all that are not near.

    (0, 0.0) where nothing moves.
    """
    if not np.isfinite(curve).all():
        return 0, 0.0
    peak = int(curve.argmax())
    far = np.abs(np.arange(len(curve)) - peak) > NEAR
    return peak - REACH, float(curve[peak] - curve[far].max())


def theval_sync(points: Floats, sound: Floats, speech: Bools) -> float:
    """THEval's lip-sync: mean |opening − loudness| in speech, both from 0 to 1 there.

    NaN under 10 % of speech, as published, and where the mouth stands still.
    """
    import librosa  # takes a second

    eyes = np.abs(points[:, [36, 39], 0].mean(axis=1) - points[:, [42, 45], 0].mean(axis=1))
    gap = np.abs(points[:, UPPER, 1].mean(axis=1) - points[:, LOWER, 1].mean(axis=1)) / eyes
    rms = librosa.feature.rms(
        y=np.asarray(sound, np.float32), frame_length=THEVAL_WINDOW, hop_length=THEVAL_WINDOW
    )[0]
    times = np.arange(len(points)) / 25
    loud = np.interp(times, np.arange(len(rms)) * THEVAL_WINDOW / SAMPLE_RATE, rms)
    if speech.mean() < 0.1 or speech.sum() < 2 or np.ptp(gap[speech]) < 1e-3:
        return float("nan")
    return float(np.abs(_from_0_to_1(gap[speech]) - _from_0_to_1(loud[speech])).mean())


def _from_0_to_1(values: Floats) -> Floats:
    return (values - values.min()) / (np.ptp(values) + 1e-8)


def theval_stability(points: Floats, silent: Bools) -> float:
    """THEval's silent lip stability: median |opening − its mean| in pauses; NaN without any."""
    if silent.sum() < 2:
        return float("nan")
    gaps = np.abs(points[:, UPPER, 1] - points[:, LOWER, 1]).mean(axis=1) / eye_distance(points)
    return float(np.median(np.abs(gaps[silent] - gaps[silent].mean())))


def theval_dynamics(points: Floats) -> float:
    """THEval's lip dynamics: variance over time of the distances of any two lip points, × 1000."""
    points = points[:THEVAL_FRAMES]
    lips, eyes = points[:, LIPS], eye_distance(points)
    first, second = map(list, zip(*combinations(range(lips.shape[1]), 2), strict=True))
    apart = np.linalg.norm(lips[:, first] - lips[:, second], axis=2) / eyes[:, None]
    return float(1000 * apart.var(axis=0).mean())


def leak(points: Floats, silent: Bools) -> float:
    """Share of the silent frames in which the mouth is open; NaN without any.

    After KeySync's LipLeak (generated from silence, a mouth that still talks copies its source).
    """
    if not silent.any():
        return float("nan")
    width = np.linalg.norm(points[:, 60] - points[:, 64], axis=1)
    gap = points[:, UPPER].mean(axis=1) - points[:, LOWER].mean(axis=1)
    is_open = np.linalg.norm(gap, axis=1) > OPEN * width
    return float(is_open[silent].mean())


def pauses(speech: Bools) -> Bools:
    """The frames of stretches without speech that last 300 ms or more."""
    found = np.zeros_like(speech)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], speech, [True]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        found[start:end] = end - start >= MIN_PAUSE
    return found
