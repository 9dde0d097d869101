"""The published networks, by their names in `w2l.models`, give what the published code gave."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.parity.published import GOLDEN, filled, uniform, unit
from w2l.models import Expert, Generator, QualityDiscriminator, SyncNetV2

NETWORKS = {
    "generator": Generator,
    "expert": Expert,
    "quality_discriminator": QualityDiscriminator,
    "syncnet_v2": SyncNetV2,
}


def close(ours: torch.Tensor, file: str, entry: str) -> None:
    golden = np.load(GOLDEN / f"{file}.npz")[entry]
    assert ours.shape == golden.shape
    assert np.abs(ours.numpy() - golden).max() <= 1e-4 * np.abs(golden).max()


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_network_is_the_published_one(name: str) -> None:
    network = NETWORKS[name]()
    published = json.loads((GOLDEN / "state_dicts" / f"{name}.json").read_text())
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == published
    filled(network, name)
    mel = 4 * uniform("mel", 2, 1, 80, 16)
    if name == "generator":
        close(network(mel, unit("face", 2, 6, 96, 96)), "generator_frames", "out")
        clip = network(4 * uniform("mels", 2, 5, 1, 80, 16), unit("clip", 2, 6, 5, 96, 96))
        close(clip, "generator_clip", "out")
    elif name == "expert":
        audio, face = network(mel, unit("window", 2, 15, 48, 96))
        close(audio, "expert", "audio")
        close(face, "expert", "face")
    elif name == "syncnet_v2":
        lips = 255 * unit("lip", 2, 3, 5, 224, 224)
        audio, lip = network(10 * uniform("mfcc", 2, 1, 13, 20), lips)
        close(audio, "syncnet_v2", "audio")
        close(lip, "syncnet_v2", "lip")
    else:
        probability = network(unit("rgb", 2, 3, 5, 96, 96))
        close(probability, "quality_discriminator", "prob")
