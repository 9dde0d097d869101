"""Silence is told from sound, and a voice that is lost in the mono mix is heard all the same."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.io import wavfile

from tests.unit.video.made import sweep
from w2l.audio.audible import is_silent
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.inference.voice import load_voice
from w2l.video import AudioTrack, VideoWriter

RATE = 16_000
VOICE = sweep(RATE, RATE)


def write_channels(path: Path, channels: np.ndarray) -> Path:
    """Samples (n, channels) as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setparams((channels.shape[1], 2, RATE, 0, "NONE", "NONE"))
        file.writeframes(np.rint(channels * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    ("waveform", "silent"),
    [
        (np.zeros(RATE), True),
        (np.full(RATE, 0.3), True),  # a constant
        (VOICE * 0.003, True),
        (VOICE * 0.01, False),
        (np.where(np.arange(RATE) > RATE - 3000, VOICE, 0), False),  # a word at the end
        (np.zeros(0), False),
        ((VOICE * 32767).astype(np.int16), False),
        (np.ones(RATE, np.int16), True),
    ],
)
def test_silence(waveform: np.ndarray, silent: bool) -> None:
    kind = waveform.dtype if waveform.dtype == np.int16 else np.float32
    assert is_silent(waveform.astype(kind)) is silent


@pytest.mark.parametrize("gain", [-1.0, -0.8])
def test_channels_that_cancel_are_heard_by_the_louder_one(tmp_path: Path, gain: float) -> None:
    path = write_channels(tmp_path / "a.wav", np.stack([gain * VOICE, VOICE], 1))
    said: list[str] = []
    heard = load_audio(path, say=said.append)
    assert np.abs(heard - VOICE).max() < 1e-4 if gain != -1 else np.abs(heard + VOICE).max() < 1e-4
    (sentence,) = said
    assert "cancel each other" in sentence
    assert f"channel {2 if gain != -1 else 1} is heard" in sentence


@pytest.mark.parametrize(
    "channels",
    [
        np.stack([VOICE, VOICE], 1),
        np.stack([VOICE, np.zeros_like(VOICE)], 1),
        np.stack([VOICE, 0.3 * np.random.default_rng(0).standard_normal(RATE)], 1).clip(-1, 1),
        np.stack([VOICE + 0.1, VOICE - 0.1], 1),
        np.zeros((RATE, 2)),
    ],
    ids=["equal", "one", "noise", "constants", "silence"],
)
def test_other_channels_are_mixed(tmp_path: Path, channels: np.ndarray) -> None:
    path = write_channels(tmp_path / "a.wav", channels)
    heard = load_audio(path, say=pytest.fail)
    assert np.abs(heard - channels.mean(axis=1)).max() < 1e-4


@pytest.mark.parametrize("count", [9, 60, 100])
def test_more_channels_than_ffmpeg_mixes_are_their_mean(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    channels = VOICE[:, None] * rng.uniform(0.1, 1, count)
    path = write_channels(tmp_path / "a.wav", channels)
    mean = channels.mean(axis=1)
    assert np.abs(load_audio(path) - mean).max() < 1e-4
    assert np.abs(load_audio(path, channels=2) - mean[:, None]).max() < 1e-4
    with VideoWriter(tmp_path / "a.mp4", 25, (16, 16), AudioTrack(path)) as writer:
        for _ in range(25):
            writer.write(np.zeros((16, 16, 3), np.uint8))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.audio[0].codec_context.layout.nb_channels == 1


def test_a_voice_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    muted = write_channels(tmp_path / "muted.wav", np.zeros((RATE, 1)))
    opposite = write_channels(tmp_path / "opposite.wav", np.stack([VOICE, -VOICE], 1))
    (note,) = load_voice(muted).notes
    assert "muted.wav is silent" in note
    (note,) = load_voice(opposite).notes
    assert "cancel" in note
    (note,) = load_voice(opposite, driving=muted).notes
    assert "muted.wav is silent" in note, "what the lips follow counts"
    assert load_voice(muted, driving=opposite).notes
    assert not load_voice(write_channels(tmp_path / "a.wav", VOICE[:, None])).notes


@pytest.mark.parametrize("level", [1e4, 3e38])
def test_sound_beyond_all_measure_is_refused_before_the_work(tmp_path: Path, level: float) -> None:
    wavfile.write(tmp_path / "a.wav", RATE, (VOICE * level).astype(np.float32))
    with pytest.raises(UserError, match=r"a\.wav has samples (of up to|that are not numbers)"):
        load_voice(tmp_path / "a.wav")
    wavfile.write(tmp_path / "a.wav", RATE, (VOICE * 10).astype(np.float32))
    assert np.abs(load_audio(tmp_path / "a.wav")).max() > 2, "loud is loud"
