"""TorchScript archives are read without running their code."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.unit.checkpoints.packing import (
    BUILD,
    LOAD,
    Mischief,
    assert_same,
    narrow,
    trace,
)
from w2l import checkpoints
from w2l.errors import UserError
from w2l.models import Generator


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_of_the_published_generator(filled, tmp) -> None:
    """As the authors' page serves it today."""
    module = Generator()
    module.load_state_dict(filled["generator"])
    trace(module.eval(), "generator", tmp / "wav2lip_gan.pth")
    assert_same(
        checkpoints.load_generator(tmp / "wav2lip_gan.pth").state_dict(), filled["generator"]
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("network", BUILD)
def test_torchscript_equals_torch_s_own_reading(network, tmp) -> None:
    module = narrow(network)
    trace(module, network, tmp / "traced.pt")
    checkpoint = checkpoints.read(tmp / "traced.pt")
    assert checkpoint.network == network
    assert checkpoint.config == module.config
    assert_same(checkpoint.state_dict, torch.jit.load(tmp / "traced.pt").state_dict())
    assert_same(LOAD[network](tmp / "traced.pt").state_dict(), module.state_dict())


class Scripted(nn.Module):
    """Attributes of every kind, a shared submodule, views and several dtypes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.layers = nn.ModuleList([self.first, nn.Linear(3, 4).half()])
        base = torch.arange(24.0)
        self.register_buffer("view", base[4:16].view(3, 4).t())
        self.register_buffer("same_storage", base[2:5])
        self.register_buffer("count", torch.tensor(5))
        self.register_buffer("none", None)
        self.register_buffer("nothing", torch.empty(0, 3))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("wide", torch.rand(2, dtype=torch.float64))
        self.names = torch.jit.Attribute(["a", "b"], list[str])
        self.sizes = torch.jit.Attribute({"a": 1}, dict[str, int])
        self.pair = (1, 2.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.view.sum() + self.sizes["a"] + len(self.names)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_scripted_module_with_views_and_attributes(tmp) -> None:
    scripted = torch.jit.script(Scripted())
    scripted.save(str(tmp / "s.pt"))
    checkpoint = checkpoints.read(tmp / "s.pt")
    assert checkpoint.network == "unknown"
    assert_same(checkpoint.state_dict, scripted.state_dict())
    assert checkpoint.state_dict["view"].stride() == (1, 4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_frozen_torchscript_is_explained(tmp) -> None:
    frozen = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(2, 2)).eval()))
    frozen.save(str(tmp / "f.pt"))
    with pytest.raises(UserError, match=r"f\.pt is a TorchScript archive without named param"):
        checkpoints.read(tmp / "f.pt")


def rewrite(source: Path, target: Path, entry: str, content: bytes) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            same = not info.filename.endswith(entry)
            new.writestr(info.filename, old.read(info) if same else content)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_s_code_is_neither_needed_nor_run(tmp) -> None:
    module = narrow("generator")
    trace(module, "generator", tmp / "good.pt")
    rewrite(tmp / "good.pt", tmp / "broken_code.pt", ".py", b"this is no program (")
    assert_same(
        checkpoints.load_generator(tmp / "broken_code.pt").state_dict(), module.state_dict()
    )
    evil = pickle.dumps({"x": Mischief(tmp / "harm")}, protocol=2)
    rewrite(tmp / "good.pt", tmp / "evil.pt", "/data.pkl", evil)
    with pytest.raises(UserError, match=r"evil\.pt holds Python objects .*mkdir.* could run code"):
        checkpoints.read(tmp / "evil.pt")
    assert not (tmp / "harm").exists()
