"""Second step: the sound as 16 kHz mono, and its log-mel."""

from __future__ import annotations

import wave
from functools import lru_cache
from pathlib import Path

import numpy as np

from preprocess.rejection import BROKEN, SILENT, TOO_SHORT, RejectedError, rejecting
from w2l.audio import SAMPLE_RATE
from w2l.audio.audible import SILENT_DB, is_silent
from w2l.audio.mel import HOP_LENGTH, N_FFT, log_mel
from w2l.audio.waveform import load_audio, to_int16

MIN_SAMPLES = SAMPLE_RATE // 5  # 0.2 s, one window of the networks
PIECE = 60 * SAMPLE_RATE  # samples; a spectrum of an hour at once takes over 1 GB


def read_sound(path: Path, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """The clip's sound from the moment of its first frame: (n,) int16 at 16 kHz.

    Args:
        path: the video.
        start_s: where the clip begins, in seconds after the video's first frame.
        end_s: where it ends; None: with the sound.

    Raises:
        RejectedError: it cannot be decoded, or is shorter than one window.
    """
    status = path.stat()
    with rejecting("sound", BROKEN):
        whole = _whole_sound(path, status.st_size, status.st_mtime_ns)
    stop = None if end_s is None else round(end_s * SAMPLE_RATE)
    samples = whole[round(start_s * SAMPLE_RATE) : stop]
    if len(samples) < MIN_SAMPLES:
        where = f" from {start_s:g} s on" if start_s else ""
        raise RejectedError(
            "sound",
            TOO_SHORT,
            f"{path} has {len(samples) / SAMPLE_RATE:.2f} s of sound{where}, under 0.2 s.",
        )
    return samples


def check_audible(path: Path, samples: np.ndarray) -> None:
    """Refuse sound from which no network can learn anything about lips.

    Args:
        path: the video.
        samples: (n,) int16 at 16 kHz.

    Raises:
        RejectedError: nothing is heard.
    """
    if is_silent(samples):
        raise RejectedError(
            "sound", SILENT, f"{path} is silent: nowhere over {SILENT_DB} dB of full scale."
        )


@lru_cache(maxsize=1)  # the clips that a video is cut into come one after the other
def _whole_sound(path: Path, size: int, modified: int) -> np.ndarray:
    """All sound of a file of this size and time, int16 from the moment of its first frame."""
    return to_int16(load_audio(path, sample_rate=SAMPLE_RATE, origin="video"))


def write_sound(samples: np.ndarray, folder: Path) -> int:
    """Write audio.wav and mel.npy; the log-mel is that of audio.wav's own 16-bit samples.

    Args:
        samples: (n,) int16.
        folder: of the clip.

    Returns:
        Number of mel columns.
    """
    with wave.open(str(folder / "audio.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2", copy=False).tobytes())
    mel = log_mel_in_pieces(samples)
    np.save(folder / "mel.npy", mel)
    return mel.shape[1]


def log_mel_in_pieces(samples: np.ndarray, piece: int = PIECE) -> np.ndarray:
    """`log_mel` of int16 samples in memory that does not grow with their number.

    Args:
        samples: (n,) int16.
        piece: samples at a time, a multiple of the hop length.

    Returns:
        float32 (80, 1 + n // 200), equal to `log_mel` of the whole.
    """
    # A column hears half an FFT to either side, and pre-emphasis one sample more.
    margin = HOP_LENGTH * (N_FFT // 2 // HOP_LENGTH + 1)
    columns = []
    for start in range(0, max(len(samples) - margin, 1), piece):
        stop = start + piece
        # The last piece takes the rest, so that none is too short for the padding at its end.
        last = stop >= len(samples) - margin
        before, after = max(0, start - margin), len(samples) if last else stop + margin
        mel = log_mel(samples[before:after].astype(np.float32) / 32768)
        first = (start - before) // HOP_LENGTH
        columns.append(mel[:, first:] if last else mel[:, first : first + piece // HOP_LENGTH])
    return np.concatenate(columns, axis=1)
