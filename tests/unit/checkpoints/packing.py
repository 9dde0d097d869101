"""Small networks, and files as others and we write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from w2l import checkpoints
from w2l.models import Expert, Generator, QualityDiscriminator, SyncNetV2

State = dict[str, Tensor]

BUILD: dict[str, Callable[..., nn.Module]] = {
    "generator": Generator,
    "expert": Expert,
    "discriminator": QualityDiscriminator,
    "syncnet_v2": SyncNetV2,
}
LOAD: dict[str, Callable[..., nn.Module]] = {
    "generator": checkpoints.load_generator,
    "expert": checkpoints.load_expert,
    "discriminator": checkpoints.load_discriminator,
    "syncnet_v2": checkpoints.load_syncnet,
}
INPUTS = {
    "generator": [(1, 1, 80, 16), (1, 6, 96, 96)],
    "expert": [(2, 1, 80, 16), (2, 15, 48, 96)],
    "discriminator": [(1, 3, 1, 96, 96)],
    "syncnet_v2": [(1, 1, 13, 20), (1, 3, 5, 224, 224)],
}
PUBLISHED = {
    "generator": {"width": 1.0, "image_size": 96, "lead_frames": 0},
    "expert": {"width": 1.0, "image_size": 96, "last_relu": True},
    "discriminator": {"width": 1.0, "image_size": 96},
    "syncnet_v2": {},
}


def narrow(network: str, width: float = 0.125) -> nn.Module:
    """A small network whose entries all differ from their initial values."""
    module = BUILD[network](**({} if network == "syncnet_v2" else {"width": width}))
    with torch.no_grad():
        for entry in module.state_dict().values():
            entry.copy_(torch.rand_like(entry.float()) * 9 + 1)
    return module.eval()


def trace(module: nn.Module, network: str, path: Path) -> None:
    inputs = tuple(torch.rand(shape) for shape in INPUTS[network])
    torch.jit.trace(module, inputs, check_trace=False).save(str(path))


def lightning(path: Path, state: State, network: str, optimizers: int = 1, **config: Any) -> Path:
    """A file as `w2l.systems` has Lightning write it."""
    content = {
        "state_dict": state,
        "w2l": {"network": network, "config": config, "version": "0.1.0"},
        "epoch": 3,
        "global_step": 1200,
        "pytorch-lightning_version": "2.6.6",
        "optimizer_states": [
            {"state": {0: {"exp_avg": torch.ones(500_000)}}, "param_groups": []}
            for _ in range(optimizers)
        ],
        "callbacks": {"SyncGate": {"open": True}},
        "loops": {},
    }
    torch.save(content, path)
    return path


def assert_same(actual: State, expected: State) -> None:
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype, name
        assert torch.equal(actual[name], value), name


def pack(state: State, packing: str, path: Path) -> None:
    """The ways in which published files wrap a state dict."""
    legacy = packing.endswith("legacy")
    if packing.startswith("module"):
        state = {f"module.{name}": value for name, value in state.items()}
    content: dict[str, Any] = state
    if "wrapper" in packing:
        moments = {
            i: {"step": 7, "exp_avg": t, "exp_avg_sq": t}
            for i, t in enumerate(list(state.values())[:3])
        }
        optimizer = {"state": moments, "param_groups": [{"lr": 1e-4, "params": [0, 1, 2]}]}
        content = {"state_dict": state, "optimizer": optimizer, "global_step": 7, "global_epoch": 2}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)


class Mischief:
    """Touches a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)
