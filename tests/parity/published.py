"""The published networks, filled as the golden files were (see tests/golden/README.md)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

TESTS = Path(__file__).resolve().parents[1]
GOLDEN = TESTS / "golden"


def _load_fill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fill", TESTS / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fill = _load_fill()


def state_dict(network: str, *, calibrated: bool = True) -> dict[str, torch.Tensor]:
    """The deterministic state dict of `network`, e.g. "generator"."""
    shapes = json.loads((GOLDEN / "state_dicts" / f"{network}.json").read_text())
    state = {
        name: torch.from_numpy(np.array(fill.weight(f"{network}/{name}", tuple(shape))))
        for name, shape in shapes.items()
    }
    statistics = GOLDEN / "calibrated" / f"{network}.npz"
    if calibrated and statistics.exists():
        for name, value in np.load(statistics).items():
            state[name] = torch.from_numpy(value)
    return state


def filled(module: nn.Module, network: str, *, calibrated: bool = True) -> Any:
    """`module` with the golden files' weights, in evaluation mode."""
    module.load_state_dict(state_dict(network, calibrated=calibrated), strict=True)
    return module.eval()


def uniform(name: str, *shape: int) -> torch.Tensor:
    """Entries in [-1, 1)."""
    return torch.from_numpy(fill.uniform(name, shape, 0))


def unit(name: str, *shape: int) -> torch.Tensor:
    """Entries in [0, 1)."""
    return (uniform(name, *shape) + 1) / 2
