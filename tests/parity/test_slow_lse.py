"""The whole of LSE against plain NumPy in float64 (`slow_lse`): features, distances, scores."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from tests.parity import slow_lse
from tests.parity.published import filled, state_dict
from w2l.audio.waveform import load_audio
from w2l.faces.protocol_track import ProtocolTrack, crop_track
from w2l.models import SyncNetV2
from w2l.scoring import SyncScorer
from w2l.video import VideoReader

N = 7  # frames: two windows


def check(frames: list[np.ndarray], waveform: np.ndarray) -> None:
    weights = {name: value.numpy() for name, value in state_dict("syncnet_v2").items()}
    samples = np.rint(waveform * 32768).astype(np.int16)
    got = SyncScorer(filled(SyncNetV2(), "syncnet_v2"), batch_size=3).lse(frames, waveform)
    lips = [slow_lse.embed_lips(frames, i, weights) for i in range(len(frames) - 5)]
    sound = [slow_lse.embed_sound(samples, i, weights) for i in range(len(frames) - 5)]
    lse_d, lse_c, offset, distances = slow_lse.scores(np.stack(lips), np.stack(sound))
    np.testing.assert_allclose(got.distances, distances, atol=1e-3)
    assert got.lse.lse_d == pytest.approx(lse_d, abs=1e-3)
    assert got.lse.lse_c == pytest.approx(lse_c, abs=1e-3)
    assert got.lse.offset == offset


def test_made_up_images():
    rng = np.random.default_rng(0)
    frames = list(rng.integers(0, 256, (N, 60, 80, 3), np.uint8))
    waveform = (rng.integers(-9000, 9000, N * 640) / 32768).astype(np.float32)
    check(frames, waveform)


def test_real_clip_both_protocols(shared_media):
    path = shared_media / "talking" / "grid_lbax4n_en_25fps.mpg"
    frames, waveform = list(islice(VideoReader(path), N)), load_audio(path)[: N * 640]
    check(frames, waveform)
    boxes = np.tile([120.0, 60, 260, 230], (N, 1))
    check(list(crop_track(frames, ProtocolTrack(np.arange(N), boxes), 0)), waveform)
