"""Sound as published scoring decodes it, and through AAC and the MP3 of an AVI."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.unit.video.made import constant, numbered, write_video
from tests.writing import write_wav
from w2l.audio.passes import Aac, joined_audio
from w2l.video.rewritten import Avi

RATE = 16_000
DELAY = 1105  # samples of LAME's encoder and decoder


def chirp(n: int) -> np.ndarray:
    times = np.arange(n) / RATE
    return (0.5 * np.sin(2 * np.pi * (200 + 900 * times) * times)).astype(np.float32)


def lag(late: np.ndarray, early: np.ndarray) -> int:
    """By how many samples the first lies after the second."""
    n = len(late) + len(early)
    spectrum = np.fft.rfft(late, n) * np.conj(np.fft.rfft(early, n))
    return int(np.fft.irfft(spectrum, n).argmax())


def test_joined_sound_is_the_wav_file(tmp_path: Path) -> None:
    sound = chirp(8000)
    write_wav(tmp_path / "x.wav", sound)
    kept = np.rint(joined_audio(tmp_path / "x.wav") * 32768)
    assert np.abs(kept - sound * 32767).max() <= 1
    assert len(kept) == 8000


def test_the_mp3_of_the_avi_is_late_by_its_encoder(tmp_path: Path) -> None:
    """FFmpeg's AVI has no place to say so; SyncNet's script scores it like that."""
    sound = chirp(12_000)
    video = write_video(
        tmp_path / "x.mkv", [numbered(i) for i in range(20)], constant(20, 25), codec="mjpeg",
        pix_fmt="yuvj420p", sound=sound, sound_codec="pcm_s16le",
    )  # fmt: skip
    Avi().write(video, tmp_path / "x.avi")
    heard = joined_audio(tmp_path / "x.avi")
    assert lag(heard, sound) == DELAY
    assert len(heard) % 576 == 0
    part = heard[DELAY : DELAY + len(sound)]
    assert 0.001 < np.abs(part - sound).mean() < 0.02  # it is MP3 of 24 kb/s


def test_aac_keeps_the_place_and_fills_its_last_block() -> None:
    sound = chirp(9000)
    heard = Aac()(sound)
    assert (len(heard), heard.dtype) == (9216, np.float32)
    assert lag(heard, sound) == 0
    assert 1e-5 < np.abs(heard[:9000] - sound).mean() < 0.01
