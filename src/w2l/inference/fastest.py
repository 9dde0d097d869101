"""`precision=auto runtime=auto`: what this machine generates quickest, tried once.

The speed is remembered for a machine and a shape of the network, the deviation from float32 for
each file.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, cast

import cv2
import numpy as np
import torch

from w2l import __version__, examples, trials
from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.checkpoints import read
from w2l.inference.lipsync import MOST_CORES, FaceGenerator, Precision, pick_device
from w2l.video import VideoReader

Runtime = Literal["torch", "onnx", "openvino"]
FAITHFUL_DB = 45.0  # to float32, of 8-bit faces: 1.4 levels
# How much quicker something else has to be. An exported network is exported and compiled first, and
# a trial, which has nothing beside it, speaks for threads that wait for one another.
WORTH_PRECISION = 1.1
WORTH_OTHERS = 1.25
# Of published width at 96 px; narrower networks take no time that is worth a trial.
LEAST_WORK = 1 / 32
TURNS = 5
HOPELESS = 5  # times as slow in the first batch
FACES = 16  # at most, as in a batch of infer.py
PACKAGES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


class Choice(NamedTuple):
    """How a generator is run.

    Attributes:
        runtime, precision: as for `build_generator`.
        spread: as for `FaceGenerator`.
    """

    runtime: Runtime
    precision: Precision
    spread: bool | None = None

    @classmethod
    def named(cls, name: str) -> Choice:
        """Of `str`."""
        runtime, precision, spread = name.split("/")
        known = {"spread": True, "whole": False, "": None}
        return cls(cast(Runtime, runtime), cast(Precision, precision), known[spread])

    def __str__(self) -> str:
        spread = {True: "spread", False: "whole", None: ""}[self.spread]
        return f"{self.runtime}/{self.precision}/{spread}"


BASE = Choice("torch", "float32")  # what all are measured beside


def fastest(
    path: Path, device: str, runtime: Runtime | None = None, precision: Precision | None = None
) -> Choice:
    """How to run a file's generator; what is given is kept, the rest chosen by trial.

    Args:
        path: a checkpoint.
        device: as for `build_generator`.
        runtime, precision: those wanted; None: the quickest that is faithful.
    """
    place = "cpu" if runtime == "openvino" else str(pick_device(device))
    plain = Choice(runtime or "torch", precision or "float32")
    stat = path.stat()
    here = {
        **(trials.machine() if place == "cpu" else {"device": torch.cuda.get_device_name(place)}),
        "threads": torch.get_num_threads(),
        "versions": [__version__, *(version(PACKAGES[each]) for each in ("torch", *_runtimes()))],
        "wanted": [runtime, precision],
    }
    this_file = {"file": str(path.resolve()), "stat": [stat.st_size, stat.st_mtime_ns], **here}
    if name := trials.recall(this_file):
        return Choice.named(name)
    checkpoint = read(path, "generator")
    config = checkpoint.config
    work = float(config.get("width", 0)) ** 2 * (float(config.get("image_size", 0)) / 96) ** 2
    if checkpoint.target is not None or work < LEAST_WORK or os.environ.get(trials.SWITCH) == "0":
        return plain
    shape = {"network": config, **here}
    with trials.alone(shape):
        if name := trials.recall(this_file):  # another process has tried it meanwhile
            return Choice.named(name)
        known = trials.recall(shape)
        if known == [str(plain)]:
            return plain
        named = known or [str(each) for each in candidates(place, runtime, precision)]
        if not named:
            return plain
        print(f"Trying once how {path.name} is computed quickest here …", file=sys.stderr)
        threads = str(torch.get_num_threads())
        found = trials.try_out(__name__, [str(path), place, threads], named)
        choice = best(found, plain)
        if any(found.values()):
            if known is None:  # how quick it is does not depend on the weights
                trials.remember(shape, [str(best(found, plain, faithful_db=0))])
            trials.remember(this_file, str(choice))
    return choice


def best(found: trials.Found, plain: Choice, faithful_db: float = FAITHFUL_DB) -> Choice:
    """The quickest of those that lived and are faithful; `plain` where none is worth it."""
    worth = {plain: 1.0}
    for name, numbers in found.items():
        choice = Choice.named(name)
        if numbers is None or numbers["db"] < faithful_db:
            continue
        least = WORTH_PRECISION if choice.precision != plain.precision else 1.0
        if choice.runtime != plain.runtime or choice.spread is not None:
            least *= WORTH_OTHERS
        worth[choice] = numbers["times"] / least
    return max(worth, key=lambda choice: worth[choice])


def _runtimes() -> list[Runtime]:
    """Those other than torch that are installed, with what exports networks for them."""
    if not all(map(importlib.util.find_spec, ("onnx", "onnxscript"))):
        return []
    others: tuple[Runtime, ...] = ("onnx", "openvino")
    return [each for each in others if importlib.util.find_spec(PACKAGES[each])]


def candidates(
    place: str, runtime: Runtime | None = None, precision: Precision | None = None
) -> list[Choice]:
    """What may be quicker than torch in float32, on this device; what may gain most comes first."""
    spreads: list[bool | None] = [None]
    if place == "cpu" and (threads := torch.get_num_threads()) > 1:
        spreads.append(threads > MOST_CORES)  # what is not done by itself
    kinds: tuple[Precision, ...] = ("bfloat16", "float32")
    found = [Choice("torch", each, spread) for spread in spreads for each in kinds]
    found.remove(BASE)
    if place == "cpu":
        found += [Choice(each, "float32") for each in _runtimes()]
        found += [Choice(each, "bfloat16") for each in _runtimes() if each == "openvino"]
    return [
        each for each in found
        if runtime in {None, each.runtime} and precision in {None, each.precision}
    ]  # fmt: skip


def example(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """`n` faces of the clip that comes with w2l, uint8 (n, size, size, 3), and what they say."""
    path = examples.EXAMPLES[0].path
    frames = list(VideoReader(path))
    mel = log_mel(load_audio(path))
    at = np.linspace(8, len(frames) - 16, n).astype(int)
    height, width = frames[0].shape[:2]
    middle = np.s_[height // 5 : height * 4 // 5, width // 3 : width * 2 // 3]
    faces = np.stack([cv2.resize(frames[i][middle], (size, size)) for i in at])
    return faces, np.stack([mel[:, (start := int(i * 3.2)) : start + 16] for i in at])


def measure(path: Path, device: str, names: Iterable[str]) -> None:
    """Print for each candidate how many times as quick as torch in float32 it is, and its dB."""
    from w2l.inference.runtimes import run_as

    plain = run_as(path, BASE, device).lower_half()
    rows = plain.image_size // 2
    faces, mels = example(min(FACES, plain.at_once or FACES), plain.image_size)
    expected = plain(faces, mels)[:, rows:].astype(float)
    least = min(seconds_of(plain, faces, mels) for _ in range(TURNS))
    for name in names:
        other = run_as(path, Choice.named(name), device).lower_half()
        first = seconds_of(other, faces, mels)
        apart = float(((other(faces, mels)[:, rows:] - expected) ** 2).mean())
        times = [least / first]
        if first < HOPELESS * least:  # even where the first time sets things up
            times = [
                seconds_of(plain, faces, mels) / seconds_of(other, faces, mels)
                for _ in range(TURNS)
            ]
        db = 10 * np.log10(255**2 / max(apart, 1e-6))
        print(
            json.dumps({"times": round(statistics.median(times), 3), "db": round(float(db), 1)}),
            flush=True,
        )


def seconds_of(generator: FaceGenerator, faces: np.ndarray, mels: np.ndarray) -> float:
    """Of one batch."""
    start = time.perf_counter()
    generator(faces, mels)
    return time.perf_counter() - start


def main() -> None:
    """The trial itself, in a process that may die: FILE DEVICE THREADS CANDIDATE…"""
    torch.set_num_threads(int(sys.argv[3]))
    with TemporaryDirectory() as folder:  # what is exported for a trial is not kept
        os.environ["W2L_WEIGHTS_DIR"] = folder
        measure(Path(sys.argv[1]), sys.argv[2], sys.argv[4:])
