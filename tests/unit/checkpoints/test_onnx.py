"""ONNX files say what torch says, for any batch, and where they come from."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.writing import save_network
from w2l import __version__
from w2l.checkpoints import export_onnx, load_expert, load_generator, onnx_config
from w2l.checkpoints.__main__ import main
from w2l.errors import UserError
from w2l.models import Expert, Generator, QualityDiscriminator

BATCHES = (1, 3)


def shaken(network):
    """With statistics as after training, so that the batch norms do something."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 2)
    return network


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """A checkpoint and its ONNX file, made by the command."""
    folder = tmp_path_factory.mktemp("generator")
    network = shaken(Generator(width=0.0625, image_size=48, lead_frames=2))
    checkpoint = save_network(network, "generator", folder / "g.ckpt")
    assert main([str(checkpoint), str(folder / "g.onnx")]) == 0
    return checkpoint, folder / "g.onnx"


@pytest.fixture(scope="module")
def expert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expert")
    checkpoint = save_network(shaken(Expert(width=0.0625)), "expert", folder / "e.ckpt")
    export_onnx(checkpoint, folder / "e.onnx")
    return checkpoint, folder / "e.onnx"


def answers(path, audio, face):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"audio": audio.numpy(), "face": face.numpy()})


@pytest.mark.parametrize("batch", BATCHES)
@torch.inference_mode()
def test_generator(generator, batch) -> None:
    checkpoint, path = generator
    audio, face = torch.randn(batch, 1, 80, 16), torch.rand(batch, 6, 48, 48)
    (frame,) = answers(path, audio, face)
    expected = load_generator(checkpoint)(audio, face).numpy()
    assert frame.shape == (batch, 3, 48, 48)
    assert np.abs(frame - expected).max() <= 1e-4
    assert expected.std() > 1e-3


@pytest.mark.parametrize("batch", BATCHES)
@torch.inference_mode()
def test_expert(expert, batch) -> None:
    checkpoint, path = expert
    audio, face = torch.randn(batch, 1, 80, 16), torch.rand(batch, 15, 48, 96)
    for ours, theirs in zip(
        load_expert(checkpoint)(audio, face), answers(path, audio, face), strict=True
    ):
        assert np.abs(ours.numpy() - theirs).max() <= 1e-4


def test_metadata(generator) -> None:
    checkpoint, path = generator
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert {entry.key: entry.value for entry in model.metadata_props if "w2l." in entry.key} == {
        "w2l.version": __version__,
        "w2l.network": "generator",
        "w2l.sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "w2l.width": "0.0625",
        "w2l.image_size": "48",
        "w2l.lead_frames": "2",
    }
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert onnx_config(path) == ({"width": 0.0625, "image_size": 48, "lead_frames": 2}, None)


def test_only_what_has_an_onnx_form(tmp_path, expert) -> None:
    network = QualityDiscriminator(width=0.0625)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "d.pth")
    with pytest.raises(UserError, match=r"d\.pth holds a quality discriminator"):
        export_onnx(tmp_path / "d.pth", tmp_path / "d.onnx")
    with pytest.raises(UserError, match=r"e\.ckpt holds an expert .*takes a generator"):
        export_onnx(expert[0], tmp_path / "d.onnx", "generator")
    assert [path.name for path in tmp_path.iterdir()] == ["d.pth"]


def test_what_is_no_generator_of_ours_is_told(tmp_path, expert) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not onnx at all")
    with pytest.raises(UserError, match=r"bad\.onnx is no ONNX file"):
        onnx_config(tmp_path / "bad.onnx")
    with pytest.raises(UserError, match=r"e\.onnx is not a generator"):
        onnx_config(expert[1])
