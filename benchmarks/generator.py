"""Faces a second of the generator as inference runs it, against the network as it was trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console

from benchmarks.turns import seconds_in_turn
from w2l.inference import FaceGenerator
from w2l.models import Generator, masked_and_reference


def measure(cfg: DictConfig, console: Console) -> dict[str, Any]:
    """The same faces and sounds through both, in turn."""
    given = cfg.generator
    torch.manual_seed(cfg.seed)
    network = Generator(width=given.width, image_size=given.image_size)
    whole = FaceGenerator(network, given.device)
    network.eval().to(whole.device)
    rng = np.random.default_rng(cfg.seed)
    side = given.image_size
    faces = rng.integers(0, 256, (given.faces, side, side, 3), dtype=np.uint8)
    mels = rng.uniform(-4, 4, (given.faces, 80, 16)).astype(np.float32)
    half = whole.lower_half()

    def published() -> None:
        """As the release calls it: channels first, norms apart, all faces at once."""
        with torch.no_grad():
            face = masked_and_reference(torch.from_numpy(faces).to(whole.device)).contiguous()
            network(torch.from_numpy(mels).to(whole.device).unsqueeze(1), face).cpu()

    seconds = seconds_in_turn(
        {
            "published": published,
            "whole_face": lambda: whole(faces, mels),
            "lower_half": lambda: half(faces, mels),
        },
        given.turns,
    )
    rate = {name: given.faces / value for name, value in seconds.items()}
    console.print(f"faces/s: {rate}", markup=False)
    return {
        "ratio": round(rate["lower_half"] / rate["published"], 2),
        "ratio_whole_face": round(rate["whole_face"] / rate["published"], 2),
        "of": f"faces per second of {side} px, the rows that quality=improved puts back (norms "
        "folded, channels last), over the network as it was trained, all rows",
        "faces_per_s": {name: round(value, 2) for name, value in rate.items()},
        "faces": given.faces,
        "device": str(whole.device),
        "threads": torch.get_num_threads(),
        "turns": given.turns,
    }
