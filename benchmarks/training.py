"""`name=training`: samples per second of an experiment as it is, over plain float32."""

from __future__ import annotations

import time
from collections.abc import Iterable
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from benchmarks.keys import Benchmarks, Training
from benchmarks.resident import peak_resident
from benchmarks.turns import row
from w2l.building import CONFIG_DIR
from w2l.checkpoints import load_expert
from w2l.cli.hydra_app import register
from w2l.cli.keys.train import Train
from w2l.cli.speed import compile_networks, picked_precision
from w2l.models import Expert
from w2l.paths import user_path

KEYS = {
    "image_size": "model.image_size",
    "width": "model.width",
    "batch_size": "data.batch_size",
    "num_workers": "data.num_workers",
    "precision": "trainer.precision",
}
PLAIN = {"compile": False, "trainer.precision": "32-true"}


class StepClock(pl.Callback):
    """Seconds of each update, and of waiting for its batch, after a warm-up."""

    def __init__(self, warm_up: int) -> None:
        self.warm_up = warm_up
        self.steps: list[float] = []
        self.waits: list[float] = []
        self._ended: float | None = None

    def on_train_batch_start(self, *_: Any) -> None:
        self._started = _now()
        if self._ended is not None:
            self.waits.append(self._started - self._ended)

    def on_train_batch_end(self, *_: Any) -> None:
        self._ended = _now()
        self.steps.append(self._ended - self._started)

    @property
    def seconds(self) -> float:
        """Of one update with its waiting, median."""
        return median(a + b for a, b in zip(self.steps[1:], self.waits, strict=True))

    @property
    def waiting(self) -> float:
        """Share of the time that is spent waiting for data."""
        waits = sum(self.waits[self.warm_up :])
        return waits / (waits + sum(self.steps[self.warm_up + 1 :]))


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """Both ways in turn; what the last line of the output says."""
    settings = cfg.training
    with TemporaryDirectory() as folder:
        train = training_config(settings, folder)
        alike = train.copy()
        alike.trainer.precision = "32-true"
        ways = {"plain": plain(train), "same": alike, "recipe": train}
        clocks: dict[str, list[StepClock]] = {name: [] for name in ways}
        memory = {}
        for turn in range(settings.turns):
            for name, way in ways.items():
                if torch.cuda.is_available():
                    torch.cuda.reset_peak_memory_stats()
                clocks[name].append(run(way, settings.updates, settings.expert))
                memory[name] = peak_memory()
                console.print(f"turn {turn}: {name} {clocks[name][-1].seconds:.3f} s an update")
    samples = windows_per_update(train)
    rates = {n: samples / median(c.seconds for c in found) for n, found in clocks.items()}
    is_cuda = torch.cuda.is_available()
    return {
        "ratio": round(rates["recipe"] / rates["plain"], 3),
        "of": f"windows per second of {settings.experiment}'s updates as its recipe is run here, "
        "over the same in float32, not compiled, channels first, without fused optimizer",
        "windows_per_s": {name: round(rate, 2) for name, rate in rates.items()},
        "waiting_share": {n: round(median(c.waiting for c in f), 4) for n, f in clocks.items()},
        "peak_memory_bytes": memory if is_cuda else peak_memory(),
        "precision": str(precision_of(train)),
        "image_size": train.model.image_size,
        "width": train.model.width,
        "batch_size": train.data.batch_size,
        "device": torch.cuda.get_device_name() if is_cuda else "cpu",
        "threads": torch.get_num_threads(),
        "rows": [
            row(
                f"training {settings.experiment}, {torch.get_num_threads()} thread(s)",
                "windows/s",
                {
                    name: [samples / clock.seconds for clock in clocks[way]]
                    for name, way in (("published", "plain"), ("same", "same"), ("ours", "recipe"))
                },
                memory_gb=None if is_cuda else peak_memory() / 1e9,
                told=f"{precision_of(train)}; published: plain float32",
            )
        ],
    }


def training_config(settings: Training, folder: str) -> DictConfig:
    """The experiment's config, without outputs."""
    values = ((key, getattr(settings, name)) for name, key in KEYS.items())
    changed = (f"{key}={value}" for key, value in values if value is not None)
    return composed([f"experiment={settings.experiment}", *changed], settings.data_root, folder)


def composed(overrides: Iterable[str], data_root: str, folder: str) -> DictConfig:
    """What `train.py` makes of the overrides, without outputs and without an epoch's end."""
    overrides = [
        f"data.root={user_path(data_root).absolute()}",
        f"run_dir={folder}",
        "logger=none",
        "data.repeats=10000",
        *overrides,
    ]
    register(Train)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        cfg = compose("train", overrides=overrides)
    OmegaConf.set_struct(cfg, False)
    return cfg


def precision_of(train: DictConfig) -> Any:
    """What the trainer is given."""
    trainer, model = train.trainer, train.model
    return picked_precision(trainer.precision, trainer.accelerator, model.width, model.image_size)


def plain(train: DictConfig) -> DictConfig:
    """The same without anything that makes it quicker."""
    cfg = train.copy()
    for key, value in PLAIN.items():
        OmegaConf.update(cfg, key, value)
    cfg.system.channels_last = False
    for name in ("optimizer", "discriminator_optimizer"):
        if name in cfg.system:
            cfg.system[name].fused = False
    return cfg


def windows_per_update(train: DictConfig) -> int:
    """Of one process; contrastive samples are several windows."""
    return int(train.data.batch_size) * int(train.data.samples.get("windows", 1))


def run(cfg: DictConfig, updates: int, expert: str | None) -> StepClock:
    """Time a few updates."""
    clock = StepClock(warm_up=2)
    fit(cfg, updates + clock.warm_up, clock, expert)
    return clock


def fit(cfg: DictConfig, updates: int, callback: pl.Callback, expert: str | None = None) -> None:
    """Train from scratch with one callback, none of the experiment's own, and without outputs.

    Args:
        cfg: of `composed`.
        updates: of the network that is trained (a GAN's two count as one).
        callback: what watches.
        expert: the generator's; None: random weights, where one is needed.
    """
    pl.seed_everything(cfg.seed, verbose=False)
    extra: dict[str, Any] = {}
    if cfg.needs_expert:
        network = Expert(cfg.model.width, cfg.model.image_size)
        extra["expert"] = network if expert is None else load_expert(expert)
    data = instantiate(cfg.data, _convert_="all")
    system = instantiate(cfg.system, _convert_="all", **extra)
    accelerator = cfg.trainer.accelerator
    compile_networks(system, cfg.compile, accelerator)
    per_update = int(system.optimizers_per_update)
    trainer = instantiate(
        cfg.trainer,
        _convert_="all",
        precision=precision_of(cfg),
        max_steps=updates * per_update,
        limit_val_batches=0,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(system, datamodule=data)


def peak_memory() -> int:
    """Bytes: of the GPU since it was last reset, or of this process so far."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return peak_resident()
