"""Our own files: read, exported to the published format, found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from tests.unit.checkpoints.packing import (
    BUILD,
    LOAD,
    assert_same,
    lightning,
    narrow,
)
from w2l import checkpoints
from w2l.checkpoints.__main__ import main
from w2l.errors import UserError
from w2l.models import Expert


def own_generator(path: Path) -> tuple[Path, nn.Module, nn.Module]:
    generator, discriminator = narrow("generator"), narrow("discriminator", 0.25)
    state = {f"generator.{k}": v for k, v in generator.state_dict().items()}
    state |= {f"discriminator._orig_mod.{k}": v for k, v in discriminator.state_dict().items()}
    path = lightning(path, state, "generator", optimizers=2, **generator.config)
    return path, generator, discriminator


def test_own_checkpoint_with_two_networks(tmp) -> None:
    path, generator, discriminator = own_generator(tmp / "last.ckpt")
    checkpoint = checkpoints.read(path)
    assert checkpoint.network == "generator"
    assert checkpoint.config == {"width": 0.125, "image_size": 96, "lead_frames": 0}
    assert (checkpoint.global_step, checkpoint.global_epoch) == (600, 3)  # updates, not steps
    assert_same(checkpoints.load_generator(path).state_dict(), generator.state_dict())
    assert_same(checkpoints.load_discriminator(path).state_dict(), discriminator.state_dict())
    with pytest.raises(UserError, match=r"not the wanted expert.*it holds a generator"):
        checkpoints.load_expert(path)


def test_own_expert_keeps_its_config(tmp) -> None:
    expert = Expert(width=0.125, last_relu=False)
    state = {f"expert.{k}": v for k, v in expert.state_dict().items()}
    loaded = checkpoints.load_expert(lightning(tmp / "e.ckpt", state, "expert", **expert.config))
    assert loaded.config == {"width": 0.125, "image_size": 96, "last_relu": False}
    assert_same(loaded.state_dict(), expert.state_dict())


def test_config_of_another_version(tmp) -> None:
    path = lightning(tmp / "e.ckpt", narrow("expert").state_dict(), "expert", depth=3)
    with pytest.raises(UserError, match=r"depth.*another version"):
        checkpoints.load_expert(path)


@pytest.mark.parametrize("network", ["generator", "expert"])
def test_export_of_a_narrow_network(network, tmp) -> None:
    module = BUILD[network](width=0.125)
    state = {f"{network}.{k}": v for k, v in module.state_dict().items()}
    path = lightning(tmp / "in.ckpt", state, network, **module.config)
    checkpoints.export(path, tmp / "new" / "out.pth")
    published = torch.load(tmp / "new" / "out.pth", weights_only=True)
    assert published.pop("config") == module.config
    assert_same(published.pop("state_dict"), module.state_dict())
    assert published == {"optimizer": None, "global_step": 1200, "global_epoch": 3}
    assert_same(LOAD[network](tmp / "new" / "out.pth").state_dict(), module.state_dict())
    assert (tmp / "new" / "out.pth").stat().st_size < path.stat().st_size - 1e6
    checkpoints.export(path, tmp / "again.pth")
    assert (tmp / "again.pth").read_bytes() == (tmp / "new" / "out.pth").read_bytes()


def test_export_of_the_published_size_has_the_published_keys_only(filled, tmp) -> None:
    torch.save(filled["expert"], tmp / "in.pth")
    checkpoints.export(tmp / "in.pth", tmp / "out.pth")
    content = torch.load(tmp / "out.pth", weights_only=True, mmap=True)
    assert list(content) == ["state_dict", "optimizer", "global_step", "global_epoch"]
    assert_same(content["state_dict"], filled["expert"])


def test_export_by_command(tmp, capsys) -> None:
    path, _, discriminator = own_generator(tmp / "last.ckpt")
    assert main([str(path), str(tmp / "d.pth"), "--network", "discriminator"]) == 0
    assert_same(
        checkpoints.load_discriminator(tmp / "d.pth").state_dict(), discriminator.state_dict()
    )
    assert main([str(tmp / "none.ckpt"), str(tmp / "x.pth")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "none.ckpt" in err
    assert not (tmp / "x.pth").exists()


def test_export_to_safetensors(tmp) -> None:
    """A real file of that format, which says what it holds."""
    path, generator, _ = own_generator(tmp / "last.ckpt")
    out = tmp / "x.safetensors"
    assert main([str(path), str(out)]) == 0
    assert_same(load_file(out), generator.state_dict())
    with safe_open(out, "pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "pt"
    stated = {"network": "generator", "config": generator.config}
    assert json.loads(metadata["w2l"]) == stated | {"global_step": 600, "global_epoch": 3}
    again = checkpoints.read(out)
    assert (again.network, again.config) == ("generator", generator.config)
    assert (again.global_step, again.global_epoch) == (600, 3)
    assert_same(checkpoints.load_generator(out).state_dict(), generator.state_dict())


@pytest.mark.parametrize("name", ["x.bin", "x.pt2", "x.engine", "x"])
def test_export_refuses_unknown_endings(name, tmp, capsys) -> None:
    path, _, _ = own_generator(tmp / "last.ckpt")
    assert main([str(path), str(tmp / name)]) == 1
    told = capsys.readouterr().err
    assert f"{name} does not say what is to be written" in told
    assert ".safetensors or .onnx" in told
    assert not (tmp / name).exists()


def test_export_refuses_what_has_no_published_format(tmp) -> None:
    torch.save({"netcnnlip.0.weight": torch.ones(2, 3)}, tmp / "s.pth")
    with pytest.raises(UserError, match=r"s\.pth holds SyncNet v2.*not a generator"):
        checkpoints.export(tmp / "s.pth", tmp / "out.pth")


def test_resolve(tmp, monkeypatch) -> None:
    (tmp / "wav2lip_gan").write_bytes(b"x")
    monkeypatch.chdir(tmp)
    assert checkpoints.resolve("wav2lip_gan") == Path("wav2lip_gan")  # a file comes first
    asked = []
    monkeypatch.setattr("w2l.weights.fetch", lambda name: asked.append(name) or tmp / "cached")
    assert checkpoints.resolve("wav2lip") == tmp / "cached"
    assert asked == ["wav2lip"]
    with pytest.raises(UserError, match=r"wav2lipgan is neither .* did you mean .*wav2lip_gan"):
        checkpoints.resolve("wav2lipgan")
    with pytest.raises(UserError, match=r"such\.ckpt is neither a file.*names are .*syncnet_v2"):
        checkpoints.resolve("such.ckpt")
    with pytest.raises(UserError, match=r"no/such\.ckpt is neither .*: there is no folder no\."):
        checkpoints.resolve("no/such.ckpt")
    with pytest.raises(UserError, match="is a folder"):
        checkpoints.resolve(tmp)
