"""Samples a second of the loader, against reading as the published code does."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader

from benchmarks.face_clips import write_face_clips
from benchmarks.keys import Benchmarks
from benchmarks.published_reading import PublishedExpert, PublishedGenerator, PublishedReading
from benchmarks.resident import peak_resident
from benchmarks.turns import row
from w2l.data import ClipDataModule, LipSamples, SyncSamples
from w2l.data.batches import concatenate, to_float
from w2l.data.module import Samples
from w2l.data.shards import INDEX, parse_index, shard_folder
from w2l.data.storage import FOLDER, Storage
from w2l.windows import FPS

ROOT = Path(__file__).resolve().parents[1]
FRAMES = 75  # of each clip: 3 s
OURS: dict[str, Samples] = {"expert": SyncSamples(), "generator": LipSamples()}
PUBLISHED = {"expert": PublishedExpert, "generator": PublishedGenerator}
BATCH_SIZES = {"expert": 64, "generator": 16}  # published
STORAGES = ("jpeg", "compressed", "raw")
Clock = Callable[[], float]
Rates = dict[str, list[float]]


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """Measure clips made here, or the user's own where `data.root` is given.

    Raises:
        UserError: the user's set cannot be read.
    """
    if cfg.data.root is not None:
        return measure_own(cfg.data.root, cfg, console)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with TemporaryDirectory() as folder, threadpool_limits(1):
        root = Path(folder)
        names = write_face_clips(root, clips=cfg.loader.clips, frames=FRAMES, seed=cfg.seed)
        per_hour = {storage: pack(root, storage, cfg.data.image_size) for storage in STORAGES}
        folders = [str(root / name) for name in names]
        check_same_sample(root, folders[0], cfg.data.image_size)
        for storage, size in per_hour.items():
            console.print(f"{storage}: {size / 1e9:.2f} GB per hour of video")
        found = {what: compare(root, folders, what, cfg, console) for what in OURS}
    rates = {what: medians(each) for what, each in found.items()}
    ratios = {
        what: {storage: round(rate[storage] / rate["published"], 2) for storage in STORAGES}
        for what, rate in rates.items()
    }
    return {
        **named(ratios["expert"]),
        "of": "samples per second of one core, expert's training, one process, one thread: "
        "compressed shards (ratio_raw: raw, ratio_jpeg: JPEG files) over reading as the published "
        "code does",
        "samples_per_s": rates["expert"],
        "generator": {
            **named(ratios["generator"]),
            "samples_per_s": rates["generator"],
        },
        "bytes_per_hour": per_hour,
        "clips": cfg.loader.clips,
        "frames_per_clip": FRAMES,
        "image_size": cfg.data.image_size,
        "rows": [
            row(
                f"loading, {what}, 1 thread",
                "samples/s",
                {"published": each["published"], "same": each["jpeg"], "ours": each["compressed"]},
                memory_gb=peak_resident() / 1e9,
                told="compressed shards in place of JPEG ones",
            )
            for what, each in found.items()
        ],
    }


def named(ratios: dict[str, float]) -> dict[str, float]:
    """The ratios as the output names them: that of compressed shards is `ratio`."""
    names = {"compressed": "ratio"}
    return {names.get(storage, f"ratio_{storage}"): ratio for storage, ratio in ratios.items()}


def pack(root: Path, storage: str, image_size: int) -> int:
    """Make shards as a user does; returns bytes per hour of video."""
    values = ["source=prepared", f"data_root={root}", f"out={root}"]
    values += [f"image_size={image_size}", f"storage={storage}"]
    command = [sys.executable, "-m", "preprocess", *values]  # as a user does
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    path = root / shard_folder(storage, image_size) / INDEX
    shards = [
        shard
        for entries in parse_index(path.read_bytes(), str(path)).splits.values()
        for shard in entries
    ]
    hours = sum(shard.frames for shard in shards) / FPS / 3600
    return round(sum(shard.bytes for shard in shards) / hours)


class _Picks:
    """Stands for a random generator and draws given frames, the second one not in sync."""

    def __init__(self, *frames: int) -> None:
        self.frames = list(frames)

    def choice(self, _: np.ndarray) -> int:
        return self.frames.pop(0)

    def random(self) -> float:
        return 1.0

    def integers(self, _: int) -> int:
        return 0


def check_same_sample(root: Path, folder: str, image_size: int) -> None:
    """The published way gives the sample that ours gives, for the same two windows.

    Raises:
        AssertionError: it does not, so the two must not be compared.
    """
    clip = Storage(str(root), FOLDER, image_size=image_size).clips("train")[0]
    for what, kind in PUBLISHED.items():
        theirs = kind([folder], image_size, picks=(31, 12))[0]
        ours = to_float(concatenate([OURS[what](clip, _Picks(31, 12))]))  # type: ignore[arg-type, type-var]
        for mine, published in zip(ours, theirs, strict=False):
            assert torch.allclose(mine[0], published, atol=2e-4), what


def compare(root: Path, folders: list[str], what: str, cfg: Benchmarks, console: Console) -> Rates:
    """Samples/s of the published way and of all storages, of each turn, taken in a row."""
    size, batch_size = cfg.data.image_size, BATCH_SIZES[what]
    cfg = replace(cfg, data=replace(cfg.data, batch_size=batch_size))
    published = PUBLISHED[what](folders, size, cfg.seed)
    passes: dict[str, Iterator[Any]] = {"published": published_batches(published, batch_size)}
    for storage in STORAGES:
        passes[storage] = batches(root, storage, OURS[what], cfg)
    check_same_batches([batches(root, storage, OURS[what], cfg) for storage in STORAGES])
    rates: Rates = {name: [] for name in passes}
    for turn in range(cfg.loader.turns + 1):
        for name, endless in passes.items():
            rate = samples_per_s(endless, batch_size, cfg.loader.seconds)
            if turn:  # the first warms up
                rates[name].append(rate)
    result = medians(rates)
    for name, rate in result.items():
        times = rate / result["published"]
        console.print(f"{what}: {name} {rate:.0f} samples/s, {times:.1f} times the published")
    return rates


def medians(rates: Rates) -> dict[str, float]:
    """Of all turns."""
    return {name: round(statistics.median(values), 1) for name, values in rates.items()}


def published_batches(dataset: PublishedReading, batch_size: int) -> Iterator[Any]:
    """Batches without end, read as the published code does."""
    return iter(DataLoader(dataset, batch_size=batch_size, shuffle=False))


def batches(
    root: Path | str, storage: str, samples: Samples, cfg: Benchmarks, num_workers: int = 0
) -> Iterator[Any]:
    """Training batches without end."""
    data = ClipDataModule(
        root, samples,
        storage=storage,
        batch_size=cfg.data.batch_size,
        num_workers=num_workers,
        image_size=cfg.data.image_size,
        repeats=cfg.data.repeats,
        seed=cfg.seed,
    )  # fmt: skip
    data.setup("fit")
    loader = data.train_dataloader()
    while True:
        yield from loader


def check_same_batches(passes: Sequence[Iterator[Any]]) -> None:
    """All storages give the same float32 batches.

    Raises:
        AssertionError: they do not.
    """
    for first, *others in islice(zip(*passes, strict=True), 3):
        for other in others:
            for mine, theirs in zip(first, other, strict=True):
                assert mine.dtype == theirs.dtype
                assert torch.equal(mine, theirs)


def samples_per_s(
    endless: Iterator[Any], batch_size: int, seconds: float, clock: Clock = time.process_time
) -> float:
    """Samples/s over whole batches that take `seconds` at least.

    By default seconds of this process on its core, its system calls included: the same as seconds
    of the clock where nothing else runs, and less moved by what else does.
    """
    next(endless)
    started, taken = clock(), 0
    while (passed := clock() - started) < seconds or not taken:
        next(endless)
        taken += batch_size
    return taken / passed


def measure_own(root: str, cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """The user's own set: one process, then `data.num_workers` of them."""
    samples, rates = OURS[cfg.data.samples], {}
    for workers in (0, cfg.data.num_workers):
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        endless = batches(root, cfg.data.storage, samples, cfg, workers)
        seconds = cfg.loader.seconds * cfg.loader.turns
        rate = samples_per_s(endless, cfg.data.batch_size, seconds, time.perf_counter)
        rates[workers] = round(rate, 1)
        console.print(f"{workers or 'no'} workers: {rates[workers]:.0f} samples/s")
    return {
        "ratio": round(rates[cfg.data.num_workers] / rates[0], 2),
        "of": f"samples/s with {cfg.data.num_workers} workers over samples/s without",
        "samples_per_s": rates,
        "data_root": cfg.data.root,
        "storage": cfg.data.storage,
    }
