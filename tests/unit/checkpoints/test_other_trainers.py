"""Checkpoints as other trainers write them load, and nothing in them is executed."""

from __future__ import annotations

import argparse
import pickle
import zipfile
from collections import defaultdict, deque
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from tests.unit.checkpoints.packing import Mischief, assert_same, narrow
from tests.writing import save_network
from w2l import checkpoints
from w2l.checkpoints import archive, torchscript
from w2l.errors import UserError
from w2l.models import Generator

BESIDE: dict[str, Any] = {
    "numpy scalar": np.float64(0.25),
    "numpy integer": np.int64(7),
    "numpy array": np.arange(3.0),
    "numpy bool": np.bool_(True),
    "namespace": argparse.Namespace(lr=1e-4, data=Path("a/b")),
    "simple namespace": SimpleNamespace(a=1),
    "defaultdict": defaultdict(list, {"loss": [1.0, 2.0]}),
    "defaultdict of float": defaultdict(float, {"loss": 2.0}),
    "path": Path("runs/1"),
    "deque": deque([1, 2], maxlen=5),
    "date": datetime(2026, 1, 2),
    "set": {1, 2},
    "complex": 1j,
}


@pytest.fixture(scope="module")
def expert() -> torch.nn.Module:
    return narrow("expert", 1 / 16)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_lies_beside_the_weights_does_no_harm(tmp, expert, legacy) -> None:
    content = {**BESIDE, "state_dict": expert.state_dict(), "global_step": np.int64(7)}
    torch.save(content, tmp / "a.pth", _use_new_zipfile_serialization=not legacy)
    loaded = checkpoints.load_expert(tmp / "a.pth")
    assert_same(loaded.state_dict(), expert.state_dict())
    assert checkpoints.read(tmp / "a.pth").global_step == 7


def test_numbers_and_dicts_keep_what_they_hold(tmp) -> None:
    big_endian = np.dtype(">f4").type(1.5)
    torch.save({"a": np.float32(0.5), "b": BESIDE["defaultdict"], "c": big_endian}, tmp / "a.pth")
    content = archive.load(tmp / "a.pth")
    assert (content["a"], content["c"]) == (0.5, 1.5)
    assert content["b"] == {"loss": [1.0, 2.0]}


@pytest.mark.parametrize(
    "place",
    ["model", "model_state_dict", "generator", "netG", "ema", "params_ema", "net", "odd", "a.b"],
)
def test_the_network_is_found_where_it_lies(tmp, place: str) -> None:
    network = narrow("generator", 1 / 16)
    content: Any = network.state_dict()
    for name in reversed(place.split(".")):
        content = {"epoch": 1, name: content}
    content["optimizer"] = {"state": {0: {"exp_avg": torch.ones(3)}}}
    content["netD"] = narrow("discriminator", 1 / 16).state_dict()
    torch.save(content, tmp / "a.pth")
    assert_same(checkpoints.load_generator(tmp / "a.pth").state_dict(), network.state_dict())
    assert checkpoints.read(tmp / "a.pth").network == "generator"
    checkpoints.load_discriminator(tmp / "a.pth")


@pytest.mark.parametrize("prefix", ["model.", "net.", "module.", "_orig_mod.", "a.b.", "netG."])
def test_prefixes_of_wrapping_modules_are_dropped(tmp, expert, prefix: str) -> None:
    state = {f"{prefix}{name}": value for name, value in expert.state_dict().items()}
    state["criterion.weight"] = torch.ones(2)
    if prefix in {"module.", "_orig_mod."}:
        del state["criterion.weight"]
    torch.save({"state_dict": state}, tmp / "a.pth")
    assert_same(checkpoints.load_expert(tmp / "a.pth").state_dict(), expert.state_dict())


def test_an_averaged_model_is_the_model(tmp, expert) -> None:
    torch.save(AveragedModel(expert).state_dict(), tmp / "a.pth")
    assert_same(checkpoints.load_expert(tmp / "a.pth").state_dict(), expert.state_dict())


def test_what_is_no_network_is_said(tmp) -> None:
    torch.save({"epoch": 3, "model": Path("a")}, tmp / "a.pth")
    with pytest.raises(UserError, match=r"holds no tensors by name \(epoch: int, model: Nothing\)"):
        checkpoints.load_expert(tmp / "a.pth")


class Called:
    """Calls something by way of an allowed name."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_is_called_through_the_allowed_names(tmp, expert, legacy: bool) -> None:
    harm = tmp / "harm"
    allowed = set(torch.serialization.get_safe_globals())
    evil = [
        Mischief(harm),
        argparse.Namespace(a=Mischief(harm)),
        defaultdict(list, {"a": Mischief(harm)}),
        Called(map, Path.touch, [harm]),
        Called(getattr, Path, "touch"),
        Called(eval, "1"),
    ]
    for each in evil:
        content = {"state_dict": expert.state_dict(), "args": each}
        torch.save(content, tmp / "a.pth", _use_new_zipfile_serialization=not legacy)
        with pytest.raises(UserError, match="holds Python objects"):
            checkpoints.load_expert(tmp / "a.pth")
    assert not harm.exists()
    assert set(torch.serialization.get_safe_globals()) == allowed, "others load as strictly as ever"


def test_a_bomb_is_refused_before_it_unfolds(tmp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_FREE_BYTES", 2**20)
    torch.save({"w": torch.zeros(4_000_000)}, tmp / "a.pth")
    with (
        zipfile.ZipFile(tmp / "a.pth") as stored,
        zipfile.ZipFile(tmp / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in stored.infolist():
            bomb.writestr(entry.filename, stored.read(entry))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unfolded"))
    with pytest.raises(UserError, match=r"bomb\.pth would unfold to 16 MB"):
        archive.load(tmp / "bomb.pth")


def test_a_tensor_larger_than_its_file_is_refused(tmp) -> None:
    state = {"face_encoder.0.conv_block.0.weight": torch.ones(1).expand(10**5, 10**5)}
    torch.save(state, tmp / "a.pth")
    with pytest.raises(UserError, match="would unfold to 40000 MB"):
        checkpoints.load_expert(tmp / "a.pth")


class TestTorchScriptOfNodes:
    """An archive whose nodes hold each other: 2**60 ways through 60 of them."""

    def pickled(self, depth: int) -> bytes:
        """Each node has the next one twice; the last one has a number."""
        text = b"\x80\x02"
        for _ in range(depth):
            text += b"c__torch__\nNode\n)\x81}(X\x01\0\0\0a"
        text += b"K\x01"
        for level in range(depth):
            # Remember the inner value, and set it under "a" and "b".
            text += b"q" + bytes([level]) + b"X\x01\0\0\0b" + b"h" + bytes([level]) + b"ub"
        return text + b"."

    def test_they_are_not_walked_without_end(self, tmp, monkeypatch) -> None:
        monkeypatch.setattr(torchscript, "_MOST_NODES", 1000)
        with zipfile.ZipFile(tmp / "a.pt", "w") as file:
            file.writestr("a/data.pkl", self.pickled(40))
            file.writestr("a/constants.pkl", pickle.dumps(()))
            file.writestr("a/code/x.py", "")
        with pytest.raises(UserError, match="damaged"):
            checkpoints.read(tmp / "a.pt")


@pytest.mark.parametrize(
    "config", [{"width": 1e12}, {"width": float("inf")}, {"width": "a"}], ids=str
)
def test_a_size_beyond_all_measure_is_one_sentence(tmp, expert, config) -> None:
    torch.save({"state_dict": expert.state_dict(), "config": config}, tmp / "a.pth")
    if config == {"width": "a"}:
        checkpoints.load_expert(tmp / "a.pth")  # no configuration at all: told by the shapes
        return
    with pytest.raises(UserError, match=r"states a configuration|is not the wanted expert"):
        checkpoints.load_expert(tmp / "a.pth")


def test_wav2lip256_is_told_from_ours_by_its_missing_block(tmp_path: Path) -> None:
    """380 entries: the 256 px generator without `face_decoder_blocks.2.2`."""
    with torch.device("meta"):
        assert len(Generator(image_size=256, third_stage_blocks=1).state_dict()) == 380
    ours = Generator(width=1 / 16, image_size=256)
    torch.manual_seed(0)
    theirs = {
        f"module.{name}": torch.randn(entry.shape) if entry.is_floating_point() else entry
        for name, entry in ours.state_dict().items()
        if not name.startswith("face_decoder_blocks.2.2.")
    }
    torch.save({"state_dict": theirs, "global_step": 5, "optimizer": None}, tmp_path / "w.pth")
    loaded = checkpoints.load_generator(tmp_path / "w.pth")
    assert loaded.config == {
        "width": 1 / 16, "image_size": 256, "lead_frames": 0, "third_stage_blocks": 1
    }  # fmt: skip
    audio, face = torch.zeros(1, 1, 80, 16), torch.rand(1, 6, 256, 256)
    with torch.inference_mode():
        assert loaded.folded()(audio, face).shape == (1, 3, 256, 256)
    save_network(loaded, "generator", tmp_path / "again.ckpt")
    assert checkpoints.load_generator(tmp_path / "again.ckpt").config == loaded.config
