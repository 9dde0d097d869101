"""A run that was stopped and went on is the run that was not stopped, to the last bit."""

from __future__ import annotations

import csv
import os
import random
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from w2l.callbacks import (
    AtomicCheckpointIO,
    CurveFile,
    RunCheckpoints,
    Stopped,
    StopSignals,
    SyncGate,
)
from w2l.checkpoints.states import newest_state
from w2l.data import ClipDataModule, ContrastiveSamples, LipSamples
from w2l.losses import ContrastiveSync
from w2l.models import Expert, Generator, QualityDiscriminator
from w2l.systems import ExpertSystem, Wav2LipGANSystem, Wav2LipSystem, warmup_cosine

WIDTH = 1 / 16
UPDATES = 8  # in epochs of 6, with a validation after every fourth


class Draws(pl.Callback):
    """Logs what the global generators give at each update."""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        pl_module.log("draws/python", random.random())
        pl_module.log("draws/numpy", float(np.random.rand()))
        pl_module.log("draws/torch", float(torch.rand(())))


class CrashError(Exception):
    """Stands for SIGKILL: nothing is written any more."""


class At(pl.Callback):
    """Sends a signal to this process, or crashes, within an update or a validation."""

    def __init__(self, update: int, where: str, number: int | None) -> None:
        self.update, self.where, self.number = update, where, number

    def _go(self, trainer: pl.Trainer, where: str) -> None:
        if where == self.where and trainer.fit_loop.total_batch_idx + 1 == self.update:
            if self.number is None:
                raise CrashError
            os.kill(os.getpid(), self.number)

    def on_before_optimizer_step(self, trainer: pl.Trainer, *_: object) -> None:
        self._go(trainer, "update")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        self._go(trainer, "update's end")

    def on_validation_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        self._go(trainer, "validation")


def system_of(kind: str) -> pl.LightningModule:
    torch.manual_seed(0)
    learning: dict[str, Any] = {
        "optimizer": partial(torch.optim.Adam, lr=1e-3),
        "scheduler": partial(warmup_cosine, warmup_updates=3, cosine=False),
    }
    if kind == "syncnet":
        return ExpertSystem(Expert(WIDTH, last_relu=False), ContrastiveSync(), **learning)
    parts: dict[str, Any] = {"generator": Generator(WIDTH), "expert": Expert(WIDTH)}
    if kind == "wav2lip_gan":
        parts["discriminator"] = QualityDiscriminator(WIDTH)
        return Wav2LipGANSystem(**learning, **parts)
    return Wav2LipSystem(**learning, **parts)


def run(
    kind: str,
    root: Path,
    folder: Path,
    *extra: pl.Callback,
    endless: bool = False,
    resume: Path | None = None,
    every: int = 1000,
) -> Stopped | None:
    """Train for `UPDATES`, or until a signal comes, with two loading processes."""
    system = system_of(kind)
    samples = ContrastiveSamples(windows=3) if kind == "syncnet" else LipSamples()
    data = ClipDataModule(root, samples, batch_size=2, num_workers=2, repeats=3)
    callbacks: list[pl.Callback] = [Draws(), *extra]
    if kind != "syncnet":
        callbacks.append(SyncGate(0.1, below=100.0))  # opens at the first validation
    pl.seed_everything(1, verbose=False)
    with StopSignals() as stop:
        trainer = pl.Trainer(
            accelerator="cpu",
            max_steps=-1 if endless else UPDATES * int(system.optimizers_per_update),  # type: ignore[arg-type]
            max_epochs=-1,
            callbacks=[*callbacks, RunCheckpoints(folder / "checkpoints", every, stop=stop)],
            logger=CurveFile(folder, name=None, version="csv"),
            log_every_n_steps=1,
            val_check_interval=4,
            check_val_every_n_epoch=None,
            limit_val_batches=1,
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            plugins=[AtomicCheckpointIO()],
        )
        try:
            trainer.fit(system, datamodule=data, ckpt_path=resume, weights_only=True)
        except Stopped as stopped:
            return stopped
    return None


def curves(folder: Path) -> str:
    return (folder / "csv" / "metrics.csv").read_text()


def state(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def differences(one: Any, other: Any, name: str = "") -> Iterator[str]:
    """The entries of two checkpoints that are not equal to the last bit."""
    if isinstance(one, torch.Tensor):
        if not torch.equal(one, other):
            yield name
    elif isinstance(one, dict):
        for key in one.keys() | other.keys():
            # Lightning counts an epoch twice that ended where the run was stopped; the loader
            # counts its own.
            if key not in {"epoch", "epoch_progress"}:
                yield from differences(one.get(key), other.get(key), f"{name}/{key}")
    elif isinstance(one, list | tuple):
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{name}/{place}")
    elif one != other:
        yield f"{name}: {one!r} and {other!r}"


@pytest.fixture(autouse=True)
def loading_processes_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a stopped run are told too late, by the garbage collector, and each waited for."""
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.05)


@pytest.fixture(scope="module")
def whole(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the uninterrupted runs, filled as they are needed."""
    return {}


LONG = pytest.mark.long
CASES = [
    pytest.param("syncnet", 3, "update", signal.SIGINT, False, marks=LONG),
    ("syncnet", 6, "update", signal.SIGTERM, True),  # the epoch's last
    ("wav2lip", 4, "update", signal.SIGTERM, False),  # a validation is due
    pytest.param("wav2lip", 5, "update's end", signal.SIGUSR1, True, marks=LONG),
    pytest.param("wav2lip_gan", 4, "validation", signal.SIGTERM, False, marks=LONG),
    pytest.param("wav2lip_gan", 6, "update", signal.SIGINT, False, marks=LONG),
    ("wav2lip_gan", 7, "update", None, False),
]


@pytest.mark.parametrize(("kind", "update", "where", "number", "endless"), CASES)
def test_resume_is_exact(
    kind: str,
    update: int,
    where: str,
    number: int | None,
    endless: bool,
    prepared: Path,
    whole: dict[str, Path],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    end = [At(UPDATES, "update", signal.SIGTERM)] if endless else []
    name = f"{kind}-{endless}"
    if name not in whole:
        whole[name] = tmp_path_factory.mktemp(name)
        run(kind, prepared, whole[name], *end, endless=endless)
    folder, every = tmp_path / "run", 1000 if number else 3
    if number is None:
        with pytest.raises(CrashError):
            run(kind, prepared, folder, At(update, where, number), endless=endless, every=every)
    else:
        stopped = run(kind, prepared, folder, At(update, where, number), endless=endless)
        assert stopped is not None
        assert stopped.signal == number
        # What came at an update's end ends the next one.
        assert stopped.checkpoint in {
            folder / "checkpoints" / f"update-{update + late:07d}.ckpt" for late in (0, 1)
        }
    resume = newest_state(folder, pytest.fail)
    assert resume is not None
    run(kind, prepared, folder, *end, endless=endless, resume=resume, every=every)
    assert curves(folder) == curves(whole[name])
    assert len(curves(folder).splitlines()) > UPDATES
    assert list(differences(state(folder), state(whole[name]))) == []


def test_a_checkpoint_appears_when_its_losses_are_on_the_disk(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two would take the losses of one update for good."""
    folder, seen = tmp_path / "checkpoints", set()

    def look(*_: object) -> None:
        """Called after every callback's, and before Lightning logs."""
        for path in folder.glob("update-*.ckpt"):
            step = torch.load(path, weights_only=True)["global_step"]
            with (tmp_path / "csv" / "metrics.csv").open(newline="") as file:
                assert str(step - 1) in {row["step"] for row in csv.DictReader(file)}
            seen.add(path.name)

    monkeypatch.setattr(ExpertSystem, "on_train_batch_end", look, raising=False)
    folder.mkdir()
    (folder / ".0badf00d.update-0000001.ckpt").touch()  # by a killed run
    run("syncnet", prepared, tmp_path, every=2)
    assert len(seen) == UPDATES / 2 - 1, "the last one comes at the end"
    assert not list(folder.glob(".*"))
