"""Speech is found between silence and noise."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from w2l.audio.speech import check_speech_finder, find_speech
from w2l.audio.waveform import load_audio
from w2l.errors import UserError


def test_a_voice_is_told_from_silence_and_noise():
    pytest.importorskip("silero_vad")
    threads = torch.get_num_threads()
    voice = load_audio(ROOT / "preprocess/demo/speech/s1_test1.opus")  # 4 s
    noise = 0.01 * np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    tone = 0.3 * np.sin(np.arange(32_000) * 0.17).astype(np.float32)
    spans = find_speech(np.concatenate([noise, voice, tone]))
    assert spans.shape[1] == 2
    assert (np.diff(spans.ravel()) > 0).all()
    assert spans[0, 0] == pytest.approx(2.2, abs=0.25)
    assert spans[-1, 1] == pytest.approx(6, abs=0.35)
    assert (spans[:, 1] - spans[:, 0]).sum() > 3
    assert find_speech(noise).shape == (0, 2)
    assert torch.get_num_threads() == threads


def test_without_silero(monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(UserError, match=r'pip install "w2l\[vad\]"'):
        check_speech_finder()
