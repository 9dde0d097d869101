"""Writes the files that tests read."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import torch

from w2l.checkpoints import describe


def save_network(network: torch.nn.Module, kind: str, path: Path) -> Path:
    """A checkpoint as our systems write it; kind is "expert" or "generator"."""
    state = {f"{kind}.{key}": value for key, value in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": state, "w2l": {"network": kind, **describe(network)}}, path)
    return path


def write_wav(path: Path, samples: np.ndarray, sample_rate: int = 16000) -> None:
    """Mono samples in [-1, 1] as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sample_rate, 0, "NONE", "NONE"))
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
