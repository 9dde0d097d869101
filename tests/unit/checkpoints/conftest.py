"""Fixtures of the checkpoints' tests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import fill
from tests.unit.checkpoints.packing import BUILD, State

GOLDEN_NAME = {"discriminator": "quality_discriminator"}


@pytest.fixture(scope="module")
def filled(golden: Path) -> dict[str, State]:
    """Published state dicts, filled as the golden files' networks were."""
    states = {}
    for network in BUILD:
        name = GOLDEN_NAME.get(network, network)
        shapes = json.loads((golden / "state_dicts" / f"{name}.json").read_text())
        states[network] = {
            entry: torch.from_numpy(np.asarray(fill.weight(f"{name}/{entry}", tuple(shape), 0)))
            for entry, shape in shapes.items()
        }
    return states


@pytest.fixture
def tmp(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: the full-size files are large."""
    yield tmp_path
    shutil.rmtree(tmp_path)
