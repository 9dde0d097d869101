"""Forward passes and features equal those of the published code, for the same weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.parity.published import GOLDEN, filled, uniform, unit
from w2l.audio.mel import log_mel, mfcc
from w2l.losses import cross_entropy
from w2l.models import Expert, Generator, QualityDiscriminator, SyncNetV2

NETWORKS = {
    "generator": Generator,
    "expert": Expert,
    "quality_discriminator": QualityDiscriminator,
    "syncnet_v2": SyncNetV2,
}


def assert_close(actual: torch.Tensor | np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Within `tolerance` of the largest entry."""
    difference = np.abs(np.asarray(actual, dtype=np.float64) - expected).max()
    assert difference <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_state_dict_names_and_shapes_are_the_published_ones(name: str) -> None:
    published = json.loads((GOLDEN / "state_dicts" / f"{name}.json").read_text())
    ours = {key: list(value.shape) for key, value in NETWORKS[name]().state_dict().items()}
    assert ours == {key: list(shape) for key, shape in published.items()}


@torch.no_grad()
def test_generator_frames() -> None:
    golden = np.load(GOLDEN / "generator_frames.npz")
    network = filled(Generator(), "generator")
    out = network(4 * uniform("mel", 2, 1, 80, 16), unit("face", 2, 6, 96, 96))
    assert_close(out, golden["out"], 1e-4)


@torch.no_grad()
def test_generator_clip_folds_time_as_published() -> None:
    golden = np.load(GOLDEN / "generator_clip.npz")
    network = filled(Generator(), "generator")
    out = network(4 * uniform("mels", 2, 5, 1, 80, 16), unit("clip", 2, 6, 5, 96, 96))
    assert_close(out, golden["out"], 1e-4)


@torch.no_grad()
def test_expert() -> None:
    golden = np.load(GOLDEN / "expert.npz")
    network = filled(Expert(), "expert")
    audio, face = network(4 * uniform("mel", 2, 1, 80, 16), unit("window", 2, 15, 48, 96))
    assert_close(audio, golden["audio"], 1e-4)
    assert_close(face, golden["face"], 1e-4)


@torch.no_grad()
def test_quality_discriminator() -> None:
    golden = np.load(GOLDEN / "quality_discriminator.npz")
    network = filled(QualityDiscriminator(), "quality_discriminator")
    rgb = unit("rgb", 2, 3, 5, 96, 96)
    probabilities = network(rgb)
    assert_close(probabilities, golden["prob"], 1e-4)
    perceptual = cross_entropy(probabilities, torch.ones_like(probabilities))
    assert perceptual.item() == pytest.approx(float(golden["perceptual"]), abs=1e-5)
    features = network.feature_maps(rgb)[-1].flatten(1).numpy()
    expected = golden["features"].reshape(10, 512)
    assert_close(features - features.mean(0), expected - expected.mean(0), 1e-4)


@torch.no_grad()
def test_syncnet_v2() -> None:
    golden = np.load(GOLDEN / "syncnet_v2.npz")
    network = filled(SyncNetV2(), "syncnet_v2")
    audio, lips = network(10 * uniform("mfcc", 2, 1, 13, 20), 255 * unit("lip", 2, 3, 5, 224, 224))
    assert_close(audio, golden["audio"], 1e-4)
    assert_close(lips, golden["lip"], 1e-4)


@torch.no_grad()
def test_syncnet_v2_embeds_a_run_of_frames_like_its_windows() -> None:
    network = filled(SyncNetV2(), "syncnet_v2")
    frames = 255 * unit("lip", 1, 3, 7, 224, 224)
    run = network.embed_lips(frames)[0]
    windows = torch.cat([network.embed_lips(frames[:, :, i : i + 5])[0] for i in range(3)])
    torch.testing.assert_close(run, windows, rtol=1e-5, atol=1e-5 * float(windows.abs().max()))


def test_log_mel_pads_by_reflection() -> None:
    golden = np.load(GOLDEN / "melspectrogram.npz")
    mel = log_mel(golden["wav"])
    assert_close(mel, golden["mel"], 1e-5)
    edges = np.r_[0:2, -2:0]
    assert np.abs(mel - golden["mel_constant"])[:, edges].max() > 0.1


def test_silence_is_minus_four_and_gives_no_nan() -> None:
    assert np.all(log_mel(np.zeros(16000, np.float32)) == -4)


def test_mfcc_is_that_of_int16_samples() -> None:
    golden = np.load(GOLDEN / "mfcc.npz")
    assert_close(mfcc(golden["pcm"]), golden["mfcc"], 1e-5)
    assert_close(mfcc(golden["pcm"].astype(np.float32) / 32768), golden["mfcc"], 1e-5)
