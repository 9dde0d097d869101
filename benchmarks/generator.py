"""Faces a second of the generator as inference runs it, against the network as it was trained."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.console import Console

from benchmarks.keys import Benchmarks
from benchmarks.limits import flops, matrix_rate
from benchmarks.turns import row, times_in_turn
from w2l.checkpoints.networks import describe
from w2l.inference import FaceGenerator, build_generator
from w2l.models import FoldedGenerator, Generator, masked_and_reference


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """The same faces and sounds through all, in turn, on the same threads."""
    given = cfg.generator
    torch.set_num_threads(given.threads or torch.get_num_threads())
    torch.manual_seed(cfg.seed)
    network = Generator(width=given.width, image_size=given.image_size).eval()
    with TemporaryDirectory() as folder:
        ours = build_generator(saved(network, Path(folder)), device=given.device).lower_half()
    whole = FaceGenerator(network, given.device)
    network.to(whole.device)
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

    taken = times_in_turn(
        {
            "published": published,
            "whole_face": lambda: whole(faces, mels),
            "lower_half": lambda: half(faces, mels),
            "ours": lambda: ours(faces, mels),
        },
        given.turns,
    )
    rates = {way: [given.faces / seconds for seconds in each] for way, each in taken.items()}
    rate = {way: statistics.median(each) for way, each in rates.items()}
    console.print(f"faces/s: {rate}", markup=False)
    on_cpu = whole.device.type == "cpu"
    limit = matrix_rate(ours.computed.precision, torch.get_num_threads())
    return {
        "ratio": round(rate["lower_half"] / rate["published"], 2),
        "ratio_whole_face": round(rate["whole_face"] / rate["published"], 2),
        "ratio_ours": round(rate["ours"] / rate["published"], 2),
        "of": f"faces per second of {side} px, the rows that quality=improved puts back (norms "
        "folded, channels last), over the network as it was trained, all rows; both float32 "
        "(ratio_ours: by runtime=auto precision=auto)",
        "faces_per_s": {name: round(value, 2) for name, value in rate.items()},
        "faces": given.faces,
        "device": str(whole.device),
        "computed": str(ours.computed),
        "threads": torch.get_num_threads(),
        "turns": given.turns,
        "rows": [
            row(
                f"generator {side} px, width {given.width:g}, {torch.get_num_threads()} thread(s)",
                "faces/s",
                {
                    "published": rates["published"],
                    "same": rates["whole_face"],
                    "ours": rates["ours"],
                },
                share=rate["ours"] * half_flops(network) / limit if on_cpu else None,
                told=f"lower half, {ours.computed}",
            )
        ],
    }


def saved(network: Generator, folder: Path) -> Path:
    """A file of it, for what takes files."""
    path = folder / "generator.ckpt"
    about = {"network": "generator", **describe(network)}
    torch.save({"state_dict": network.state_dict(), "w2l": about}, path)
    return path


def half_flops(network: Generator) -> int:
    """Of the lower half of one face."""
    side = int(network.config["image_size"])
    audio, face = torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, side, side)
    half = FoldedGenerator(network.cpu()).lower_half()
    return flops(lambda: half(audio, face))
