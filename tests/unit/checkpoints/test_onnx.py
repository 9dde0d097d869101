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
from w2l.inference import build_generator
from w2l.inference.runtimes import ExportedGenerator
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
    state = {f"generator.{name}": value for name, value in network.state_dict().items()}
    ours = {"network": "generator", "config": network.config, "pads": [0, 1, 0, 2]}
    torch.save({"state_dict": state, "w2l": ours}, folder / "g.ckpt")
    assert main([str(folder / "g.ckpt"), str(folder / "g.onnx")]) == 0
    return folder / "g.ckpt", folder / "g.onnx"


@pytest.fixture
def expert(tmp_path):
    return save_network(shaken(Expert(width=0.0625)), "expert", tmp_path / "e.ckpt")


def answers(path, audio, face):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"audio": audio.numpy(), "face": face.numpy()})


def test_generator(generator) -> None:
    """One test, for an export takes seconds."""
    checkpoint, path = generator
    with torch.inference_mode():
        for batch in BATCHES:
            audio, face = torch.randn(batch, 1, 80, 16), torch.rand(batch, 6, 48, 48)
            (frame,) = answers(path, audio, face)
            expected = load_generator(checkpoint)(audio, face).numpy()
            assert frame.shape == (batch, 3, 48, 48)
            assert np.abs(frame - expected).max() <= 1e-4
            assert expected.std() > 1e-3
    assert_states_where_it_comes_from(checkpoint, path)
    assert build_generator(path, runtime="onnx").pads == (0, 1, 0, 2)


def assert_states_where_it_comes_from(checkpoint, path) -> None:
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert {entry.key: entry.value for entry in model.metadata_props if "w2l." in entry.key} == {
        "w2l.version": __version__,
        "w2l.network": "generator",
        "w2l.sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "w2l.width": "0.0625",
        "w2l.image_size": "48",
        "w2l.lead_frames": "2",
        "w2l.pads": "0,1,0,2",
    }
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert onnx_config(path) == ({"image_size": 48, "lead_frames": 2}, (0, 1, 0, 2))


def test_expert(expert, tmp_path) -> None:
    path = tmp_path / "e.onnx"
    export_onnx(expert, path)
    with torch.inference_mode():
        for batch in BATCHES:
            audio, face = torch.randn(batch, 1, 80, 16), torch.rand(batch, 15, 48, 96)
            for ours, theirs in zip(
                load_expert(expert)(audio, face), answers(path, audio, face), strict=True
            ):
                assert np.abs(ours.numpy() - theirs).max() <= 1e-4
    with pytest.raises(UserError, match=r"e\.onnx is not a generator"):
        onnx_config(path)


def test_only_what_has_an_onnx_form(tmp_path, expert) -> None:
    network = QualityDiscriminator(width=0.0625)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "d.pth")
    with pytest.raises(UserError, match=r"d\.pth holds a quality discriminator"):
        export_onnx(tmp_path / "d.pth", tmp_path / "d.onnx")
    with pytest.raises(UserError, match=r"e\.ckpt holds an expert .*takes a generator"):
        export_onnx(expert, tmp_path / "d.onnx", "generator")
    assert not (tmp_path / "d.onnx").exists()


def test_what_is_no_onnx_file_is_told(tmp_path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not onnx at all")
    with pytest.raises(UserError, match=r"bad\.onnx cannot be read as an ONNX graph"):
        onnx_config(tmp_path / "bad.onnx")


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize("batch", [None, 2])
def test_a_generator_of_others_is_told_by_its_shapes(generator, tmp_path, runtime, batch) -> None:
    """Their names for the inputs, no metadata of ours, maybe a fixed batch."""
    pytest.importorskip("openvino" if runtime == "openvino" else "onnxruntime")
    checkpoint, ours = generator
    path = tmp_path / "wav2lip_256.onnx"
    model = onnx.load(ours)
    del model.metadata_props[:]
    names = {"audio": "mel_spectrogram", "face": "video_frames"}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    for each in model.graph.input:
        each.name = names[each.name]
        if batch is not None:
            each.type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save(model, path)
    assert onnx_config(path) == ({"image_size": 48, "lead_frames": 0}, None)
    audio, face = torch.randn(3, 1, 80, 16), torch.rand(3, 6, 48, 48)
    network = ExportedGenerator(path, runtime, "cpu", "float32")
    with torch.inference_mode():
        expected = load_generator(checkpoint)(audio, face)
    assert (network(audio, face) - expected).abs().max() <= 1e-4
    del model.graph.input[0]
    onnx.save(model, path)
    with pytest.raises(UserError, match=r"takes .*\[\?, 1, 80, 16\] and faces of"):
        onnx_config(path)
