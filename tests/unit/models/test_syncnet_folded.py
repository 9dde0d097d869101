"""SyncNet as it is run against the published layers, with norms that do something."""

from __future__ import annotations

import pytest
import torch

from tests.parity.published import filled, uniform, unit
from w2l.models import FoldedSyncNet, SyncNetV2

PARTS = ("netcnnlip", "netfclip", "netcnnaud", "netfcaud")


@pytest.mark.parametrize("on_cpu", [True, False])
@torch.no_grad()
def test_embeddings_are_those_of_the_published_layers(on_cpu):
    network = filled(SyncNetV2(), "syncnet_v2")
    # Without a GPU what one would run is run here.
    plain = FoldedSyncNet(*(getattr(network, part) for part in PARTS))
    folded = network.folded() if on_cpu else plain
    assert (folded.sliding is not None) == on_cpu
    lips, mfcc = 255 * unit("lip", 2, 3, 13, 224, 224), 10 * uniform("mfcc", 3, 1, 13, 20)
    wanted = network.embed_lips(lips), network.embed_audio(mfcc)
    for got, want in zip((folded.embed_lips(lips), folded.embed_audio(mfcc)), wanted, strict=True):
        assert got.shape == want.shape
        assert (got - want).abs().max() < 1e-5 * want.abs().max()
    folded.in_bfloat16()
    for got, want in zip((folded.embed_lips(lips), folded.embed_audio(mfcc)), wanted, strict=True):
        assert got.dtype == torch.float32
        assert 1e-4 < (got - want).abs().max() / want.abs().max() < 0.03


def test_the_network_itself_is_left_as_it_is():
    network = filled(SyncNetV2(), "syncnet_v2")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.folded()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
