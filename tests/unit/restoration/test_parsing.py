"""Which pixels a parser calls face, and that the published network is what we build."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.unit.restoration import graphs
from w2l.checkpoints import load_bisenet
from w2l.errors import UserError
from w2l.models import BiSeNet
from w2l.restoration import build_parser

BOX = np.array([60, 40, 160, 180])


@pytest.fixture
def image():
    """Red left of column 110, blue right of it."""
    image = np.zeros((240, 300, 3), np.uint8)
    image[:, :110, 2] = 200
    image[:, 110:, 0] = 200
    return image


def test_the_face_is_what_the_graph_says(image, tmp_path):
    region = build_parser(graphs.parser(tmp_path / "bisenet.onnx"))(image, BOX, None)
    assert region.shape == (140, 100, 1)
    assert region.dtype == np.float32
    assert (region[:, :44] > 0.99).all()
    assert (region[:, 62:] < 0.01).all()  # the edge lies at 50, and grows and fades by 3 px each
    assert np.abs(np.diff(region[..., 0], axis=1)).max() < 0.25


def test_a_restorer_is_no_parser(image, tmp_path):
    with pytest.raises(UserError, match="3 classes in place of 19"):
        build_parser(graphs.identity(tmp_path / "g.onnx"))(image, BOX, None)


def test_the_published_network_loads_from_its_checkpoint(image, tmp_path):
    """Its file has 53,289,463 bytes: these entries' 53,252,600, and 193 for each one's name."""
    torch.manual_seed(0)
    state = BiSeNet().state_dict()
    assert len(state) == 191
    assert sum(t.numel() * t.element_size() for t in state.values()) == 53_252_600
    assert {
        "cp.resnet.conv1.weight",
        "cp.resnet.layer4.1.bn2.running_var",
        "cp.resnet.layer2.0.downsample.1.weight",
        "cp.arm16.conv_atten.weight",
        "cp.conv_avg.bn.bias",
        "ffm.convblk.conv.weight",
        "ffm.conv2.weight",
        "conv_out.conv_out.weight",
        "conv_out16.conv.conv.weight",
    } <= set(state)
    torch.save(state, tmp_path / "79999_iter.pth")
    region = build_parser(load_bisenet(tmp_path / "79999_iter.pth"))(image, BOX, None)
    assert region.shape == (140, 100, 1)
    del state["ffm.conv2.weight"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(UserError, match=r"1 of 191 entries are missing \(ffm\.conv2\.weight\)"):
        load_bisenet(tmp_path / "short.pth")
