"""Restorers as their authors' checkpoints, through spandrel."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from w2l.errors import UserError
from w2l.restoration import network_restorer
from w2l.restoration.restorer import import_spandrel


def test_without_spandrel_there_is_one_sentence(tmp_path, monkeypatch):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "face.pth")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UserError, match=r'face\.pth needs spandrel.*"w2l\[restore\]".*\.onnx'):
        network_restorer(tmp_path / "face.pth")


@pytest.fixture
def spandrel():
    try:
        return import_spandrel()
    except Warning:
        raise
    except Exception as error:
        pytest.skip(f"spandrel cannot be imported here: {error}")


def test_an_upscaler_of_the_published_form(spandrel, tmp_path):
    """ESRGAN's own network with untrained weights, as its authors pack it."""
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    network = ESRGAN(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=2).eval()
    torch.save({"params_ema": network.state_dict()}, tmp_path / "x2.pth")
    restorer = network_restorer(tmp_path / "x2.pth")
    assert (restorer.size, restorer.aligned) == (128, False)
    face = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    given = torch.from_numpy(face[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        expected = network(given).clamp(0, 1).permute(0, 2, 3, 1).numpy()[..., ::-1] * 255
    assert np.abs(restorer(face) - expected).max() <= 0.51


def test_a_file_of_something_else_is_one_sentence(spandrel, tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth is no restoration network"):
        network_restorer(tmp_path / "other.pth")
