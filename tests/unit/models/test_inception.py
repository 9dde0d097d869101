"""FID's Inception: the published file's names and size, and its pools against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from w2l.checkpoints import load_inception
from w2l.errors import UserError
from w2l.models import Expert, FidInception
from w2l.models.inception import MixedE, _mean
from w2l.weights import registry


@pytest.fixture(scope="module")
def network() -> FidInception:
    torch.manual_seed(0)
    return FidInception().eval()


def test_entries_fit_the_published_file(network):
    state = {k: v for k, v in network.state_dict().items() if not k.endswith("tracked")}
    # 94 convolutions with a norm of four entries each, and the classifier.
    assert len(state) == 94 * 5 + 2
    # torchvision's Inception v3 without its second classifier, and with 8 classes more.
    parameters = 27_161_264 - 3_326_696 + 8 * 2049
    assert sum(p.numel() for p in network.parameters()) == parameters
    size = 4 * sum(value.numel() for value in state.values())
    assert 0 < registry()["fid_inception"].size - size < 100_000  # names and zip headers
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert shapes["Mixed_5b.branch_pool.conv.weight"] == (32, 192, 1, 1)
    assert shapes["Mixed_6b.branch7x7dbl_2.conv.weight"] == (128, 128, 7, 1)
    assert shapes["Mixed_6e.branch7x7_2.conv.weight"] == (192, 192, 1, 7)
    assert shapes["Mixed_7c.branch3x3dbl_3a.conv.weight"] == (384, 384, 1, 3)
    assert shapes["Mixed_7c.branch1x1.conv.weight"] == (320, 2048, 1, 1)


@torch.inference_mode()
def test_features(network):
    images = torch.randint(0, 256, (2, 3, 80, 60), dtype=torch.uint8)
    features = network(images)
    assert features.shape == (2, 2048)
    other_order = network(images.flip(1))
    assert (other_order - features).norm() > 0.01 * features.norm()


def test_mean_leaves_out_what_lies_beyond_the_edge():
    x = np.arange(12.0).reshape(3, 4)
    want = [
        [x[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].mean() for j in range(4)] for i in range(3)
    ]
    got = _mean(torch.from_numpy(x)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(got, want)


@torch.inference_mode()
def test_last_block_pools_the_largest():
    blocks = [MixedE(8, largest).eval() for largest in (False, True)]
    blocks[1].load_state_dict(blocks[0].state_dict())
    x = torch.rand(1, 8, 5, 5)
    one, other = (block(x) for block in blocks)
    assert torch.equal(one[:, :-192], other[:, :-192])
    largest = torch.nn.functional.pad(x, (1, 1, 1, 1), value=-1).unfold(2, 3, 1).unfold(3, 3, 1)
    want = blocks[1].branch_pool(largest.amax(dim=(4, 5)))
    torch.testing.assert_close(other[:, -192:], want)


def test_loading_is_strict(tmp_path, network):
    file = tmp_path / "inception.pth"
    state = {k: v for k, v in network.state_dict().items() if not k.endswith("tracked")}
    torch.save(state, file)  # as the published one, without the norms' counters
    assert torch.equal(load_inception(file).fc.weight, network.fc.weight)
    torch.save(Expert(width=0.125).state_dict(), file)
    with pytest.raises(UserError, match=r"Inception network of FID.*holds an expert"):
        load_inception(file)
