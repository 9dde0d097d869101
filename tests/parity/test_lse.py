"""The LRS evaluation script on real clips: scores and features, with the golden files' weights.

The weights are random, so the scores mean nothing; the features and their order are what is
compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import python_speech_features
import torch

from tests.parity.published import GOLDEN, filled
from w2l.audio.waveform import load_audio
from w2l.models import SyncNetV2
from w2l.scoring import SyncScorer, scorer
from w2l.scoring.embeddings import lip_embeddings, sound_embeddings
from w2l.video import VideoReader, jpeg_frames

ANSWERS = {entry["clip"]: entry for entry in json.loads((GOLDEN / "lse_clips.json").read_text())}
WINDOWS = {"grid_brbk7n_en_25fps.mpg": 69, "grid_lbax4n_en_25fps.mpg": 69,
           "syncnet_example_en_25fps.avi": 312}  # fmt: skip


@cache
def syncnet() -> SyncNetV2:
    return filled(SyncNetV2(), "syncnet_v2")


def score_and_features(
    frames: Iterable[np.ndarray], waveform: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> tuple[object, torch.Tensor, torch.Tensor]:
    """What the scorer gives, and the features that it scored."""
    kept = []

    def keep(lips, sound):
        kept.append((lips, sound))
        return original(lips, sound)

    original = scorer.pairwise_distances
    monkeypatch.setattr(scorer, "pairwise_distances", keep)
    result = SyncScorer(syncnet(), batch_size=16).lse(frames, waveform)
    return result, *kept[0]


def relative(got: torch.Tensor, want: np.ndarray) -> float:
    """Norm of the difference over the norm."""
    return float(np.linalg.norm(got.numpy() - want) / np.linalg.norm(want))


@pytest.mark.parametrize(
    "clip",
    [pytest.param(clip, marks=[pytest.mark.long] * (WINDOWS[clip] > 100)) for clip in WINDOWS],
)
def test_published_lrs_script(clip: str, shared_media: Path, monkeypatch: pytest.MonkeyPatch):
    """With FFmpeg's JPEG: LSE to 0.2 %, features to 0.2 %, offset and number of windows equal."""
    path = shared_media / "talking" / clip
    frames = jpeg_frames(path)
    result, lips, sound = score_and_features(frames, load_audio(path), monkeypatch)
    want = ANSWERS[clip]
    assert result.n_windows == WINDOWS[clip]
    assert result.lse.offset == want["offset"]
    assert result.lse.lse_d == pytest.approx(want["lse_d"], rel=0.002)
    assert result.lse.lse_c == pytest.approx(want["lse_c"], rel=0.002, abs=0.0001)
    features = np.load(GOLDEN / "lse_features.npz")
    name = Path(clip).stem
    assert relative(lips[::20], features[f"{name}_lip"]) < 0.002
    assert relative(sound[::20], features[f"{name}_audio"]) < 0.002


def test_equals_the_published_loops(shared_media: Path):
    """Window by window, as the published script is written, on half a second of a real clip."""
    path = shared_media / "talking" / "grid_lbax4n_en_25fps.mpg"
    frames, samples = list(islice(VideoReader(path), 12)), load_audio(path)[: 12 * 640]
    images = np.stack([cv2.resize(frame, (224, 224)) for frame in frames]).transpose(3, 0, 1, 2)
    integers = np.rint(samples * 32768).astype(np.int16)
    columns = python_speech_features.mfcc(integers, 16_000).T
    with torch.inference_mode():
        lips = lip_embeddings(syncnet(), frames, len(samples), batch_size=3)
        sound = sound_embeddings(syncnet(), samples, len(lips), batch_size=3)
        assert len(lips) == min(12, len(samples) // 640) - 5
        for i in range(len(lips)):
            audio_in = torch.tensor(columns[None, None, :, 4 * i : 4 * i + 20]).float()
            lips_in = torch.tensor(images[None, :, i : i + 5]).float()
            want_sound, want_lips = syncnet()(audio_in, lips_in)
            for got, want in ((lips[i], want_lips[0]), (sound[i], want_sound[0])):
                assert (got - want).abs().max() < 1e-4 * want.abs().max()
