"""`SyncScorer` on made-up clips."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch

from tests.unit.scoring.stand_ins import LoudnessSyncNet, OpenExpert, OpenSyncNet, brightness
from w2l.audio.mel import mfcc
from w2l.errors import UserError
from w2l.metrics import offsets, summarize
from w2l.models import Expert, SyncNetV2
from w2l.scoring import SyncScorer, scorer


def noise(n_frames: int) -> np.ndarray:
    """Sound whose loudness changes with every frame."""
    rng = np.random.default_rng(1)
    loudness = np.repeat(0.001 * 300 ** rng.uniform(0, 1, n_frames), 640)
    return (rng.uniform(-1, 1, len(loudness)) * loudness).astype(np.float32)


def talking(waveform: np.ndarray, n_frames: int) -> list[np.ndarray]:
    """Frames as bright as the sound is loud during them."""
    energy = mfcc(np.append(waveform, np.zeros(640, np.float32)))[0]
    grey = brightness(torch.from_numpy(energy[: 4 * n_frames].reshape(-1, 4).mean(1))).byte()
    return [np.full((16, 16, 3), int(value), np.uint8) for value in grey]


def test_docstring_example_runs():
    assert doctest.testmod(scorer).failed == 0


@pytest.mark.parametrize("early", [-6, -1, 0, 1, 9])
def test_shifting_the_sound_shifts_the_offset(early):
    waveform = noise(80)
    frames = talking(waveform, 80)
    shifted = np.roll(waveform, -640 * early)
    result = SyncScorer(LoudnessSyncNet()).lse(frames, shifted)
    assert result.lse.offset == early
    assert result.n_windows == 75
    assert result.lse.lse_d_at_0 == pytest.approx(float(result.lse.curve[offsets() == 0]))


def test_batch_size_does_not_matter():
    waveform = noise(40)
    results = [
        SyncScorer(LoudnessSyncNet(), batch_size=size).lse(talking(waveform, 40), waveform)
        for size in (1, 7, 100)
    ]
    for result in results[1:]:
        torch.testing.assert_close(result.lse.curve, results[0].lse.curve)
        assert result.cosine_at_0 == pytest.approx(results[0].cosine_at_0)


def test_syncnet_cosine_at_0_and_at_the_best_offset():
    waveform = noise(80)
    frames = talking(waveform, 80)
    syncnet = LoudnessSyncNet()
    at_0 = SyncScorer(syncnet).lse(frames, waveform)
    assert at_0.cosine_at_0 == at_0.cosine_at_best > 0.99
    early = SyncScorer(syncnet).lse(frames, np.roll(waveform, -640 * 4))
    assert early.cosine_at_best > 0.99 > early.cosine_at_0


@pytest.mark.parametrize(("n_frames", "n_samples"), [(5, 16000), (25, 3839), (0, 16000), (25, 0)])
def test_too_short_is_one_sentence(n_frames, n_samples):
    frames = [np.zeros((8, 8, 3), np.uint8)] * n_frames
    with pytest.raises(UserError, match=r"at least 6 frames and 0\.24 s"):
        SyncScorer(OpenSyncNet()).lse(frames, np.zeros(n_samples, np.float32))


@pytest.mark.parametrize(("n_frames", "n_samples"), [(4, 16000), (25, 2000), (25, 100)])
def test_too_short_for_the_expert(n_frames, n_samples):
    frames = [np.zeros((8, 8, 3), np.uint8)] * n_frames
    with pytest.raises(UserError, match="Too short"):
        SyncScorer(expert=OpenExpert()).cosine(frames, np.zeros(n_samples, np.float32))


def test_networks_are_optional_but_not_both_unused():
    with pytest.raises(ValueError, match="syncnet="):
        SyncScorer(expert=OpenExpert()).lse([], np.zeros(0))
    with pytest.raises(ValueError, match="expert="):
        SyncScorer(OpenSyncNet()).cosine([], np.zeros(0))
    with pytest.raises(ValueError, match="batch_size"):
        SyncScorer(OpenSyncNet(), batch_size=0)


def test_scorer_puts_networks_into_evaluation_mode():
    syncnet, expert = SyncNetV2().train(), Expert(width=0.125).train()
    SyncScorer(syncnet, expert)
    assert not syncnet.training
    assert not expert.training


def test_cosine_curve_and_summary():
    expert = Expert(width=0.125)
    rng = np.random.default_rng(0)
    crops: list[np.ndarray | None] = [rng.integers(0, 256, (96, 96, 3), np.uint8)
                                      for _ in range(40)]  # fmt: skip
    crops[20] = None
    waveform = noise(40)
    result = SyncScorer(expert=expert, batch_size=8).cosine(crops, waveform)
    assert result.curve.shape == (36,)
    assert np.flatnonzero(np.isnan(result.curve)).tolist() == [16, 17, 18, 19, 20]
    assert result.summary == summarize(torch.from_numpy(result.curve))
    assert result.summary.count == 31
    at_0 = result.by_offset[offsets() == 0]
    assert at_0 == pytest.approx(result.summary.mean, abs=1e-6)


class LoudnessExpert(OpenExpert):
    """Embeds faces as the brightness of each frame, sound as its mel window's loudness."""

    def embed_face(self, face):
        bright = face.mean(dim=(2, 3)).reshape(-1, 5, 3).mean(2)
        return torch.nn.functional.normalize(bright - bright.mean(1, True))

    def embed_audio(self, audio):
        loud = audio.mean(dim=(1, 2))[:, [2, 5, 9, 12, 15]]  # the middle of each frame
        return torch.nn.functional.normalize(loud - loud.mean(1, True))


@pytest.mark.parametrize("early", [-5, 0, 7])
def test_expert_offset_has_the_same_sign(early):
    waveform = noise(80)
    result = SyncScorer(expert=LoudnessExpert()).cosine(
        talking(waveform, 80), np.roll(waveform, -640 * early)
    )
    assert result.offset == early


def test_no_face_anywhere():
    with pytest.raises(UserError, match="No five frames in a row show a face"):
        SyncScorer(expert=OpenExpert()).cosine([None] * 25, noise(25))
