"""`name=sizes`: parameters, time and memory of the networks at each image size."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from benchmarks.keys import Benchmarks
from benchmarks.training import peak_memory
from w2l.data.batches import stack_frames
from w2l.errors import UserError
from w2l.inference.lipsync import pick_device
from w2l.models import Expert, Generator, QualityDiscriminator
from w2l.models.blocks import map_sizes
from w2l.windows import WINDOW_FRAMES

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = {"generator": Generator, "expert": Expert, "discriminator": QualityDiscriminator}


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """Each size in a process of its own, so that its peak of memory is its own.

    Raises:
        UserError: no such size or device, or a size does not fit into memory.
    """
    settings = cfg.sizes
    device = pick_device(settings.device)
    for size in settings.sizes:
        try:
            map_sizes(size)
        except ValueError as error:
            raise UserError(f"sizes.sizes: {error}.") from error
    rows = []
    for size in settings.sizes:
        arguments = [str(size), str(settings.width), str(settings.windows), str(device)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.sizes", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise UserError(
                f"{size} px ended with code {done.returncode}, probably for want of memory: "
                "leave it out of sizes.sizes, or take sizes.windows=1."
            )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        console.print(rows[-1])
    times = [row["seconds"]["generator"] for row in rows]
    return {
        "ratio": round(times[-1] / times[0], 2),
        "of": f"seconds of a generator's update at {settings.sizes[-1]} px over "
        f"{settings.sizes[0]} px, {settings.windows} windows of 5 frames, forward, backward, Adam",
        "rows": rows,
        "threads": torch.get_num_threads(),
    }


def step(network: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    """Seconds of the second update of a network."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    for _ in range(2):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        started = time.perf_counter()
        out = network(*inputs)
        parts = out if isinstance(out, tuple) else (out,)
        loss = torch.stack([part.square().mean() for part in parts]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return time.perf_counter() - started


def one_size(size: int, width: float, windows: int, device_name: str) -> dict[str, Any]:
    """A row of the table."""
    device = pick_device(device_name)
    mel = torch.rand(windows, 1, 80, 16, device=device)
    face = torch.rand(windows, 6, WINDOW_FRAMES, size, size, device=device)
    inputs: dict[str, tuple[Tensor, ...]] = {
        "generator": (mel[:, None].expand(-1, WINDOW_FRAMES, -1, -1, -1), face),
        "expert": (mel, stack_frames(face[:, :3])),
        "discriminator": (face[:, :3],),
    }
    row: dict[str, Any] = {"size": size, "parameters": {}, "seconds": {}}
    for name, build in NETWORKS.items():
        network = build(width=width, image_size=size).to(device)
        row["parameters"][name] = sum(p.numel() for p in network.parameters())
        row["seconds"][name] = round(step(network, inputs[name]), 3)
    row["peak_memory_bytes"] = peak_memory()
    row["device"] = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    return row


if __name__ == "__main__":
    side, factor, count, where = sys.argv[1:]
    print(json.dumps(one_size(int(side), float(factor), int(count), where)))
