"""Twenty updates of each system, and a run that was stopped, are what they were.

The losses are those of float64 networks, with one thread: what lies in float32 before and after
them is rounded otherwise when it is added up in another order, and 20 updates make 5e-4 of it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.frozen.made import kept, machine, network_file, write_data_set
from tests.integration.command import call

pytestmark = pytest.mark.long
KINDS = {"syncnet": "expert", "wav2lip": "generator", "wav2lip_gan": "generator"}
UPDATES = 20
MACHINE = machine()
TOLERANCE = 1e-9 if MACHINE == "2.13.0 AVX512" else 1e-2  # there the values were stored


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of clips, and the weights that all begin with."""
    folder = tmp_path_factory.mktemp("frozen")
    write_data_set(folder / "set")
    network_file(folder / "expert.ckpt", "expert")
    network_file(folder / "generator.ckpt", "generator", "discriminator")
    return folder


def train(kind: str, folder: Path, run: Path, *extra: str, updates: int = UPDATES) -> Path:
    done = call(
        "train.py", f"experiment={kind}", f"run_dir={run}", f"data.root={folder / 'set'}",
        f"max_updates={updates}", f"init_from={folder / KINDS[kind]}.ckpt",
        *([] if kind == "syncnet" else [f"expert={folder / 'expert.ckpt'}"]),
        "model.width=0.0625", "model.image_size=48", "data.batch_size=3", "data.num_workers=0",
        "trainer.precision=64-true", "trainer.accelerator=cpu", "trainer.log_every_n_steps=1",
        "trainer.val_check_interval=10", "trainer.limit_val_batches=1", "logger=csv",
        "+callbacks.one_thread._target_=tests.frozen.stop.OneThread", *extra,
        cwd=folder,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return run


def curves(run: Path) -> dict[str, list[float]]:
    """Each loss of a run by its name, update by update."""
    (path,) = run.rglob("metrics.csv")
    found: dict[str, list[float]] = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if name.startswith(("train/loss", "val/loss")) and value:
                    found.setdefault(name, []).append(float(value))
    return found


@pytest.fixture(scope="module")
def whole(folder: Path) -> Callable[[str], Path]:
    """The run of each system in one piece, made when it is first asked for."""
    return cache(lambda kind: train(kind, folder, folder / kind))


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_updates_have_the_losses_they_had(kind: str, whole: Callable[[str], Path]) -> None:
    found = curves(whole(kind))
    assert len(found["train/loss"]) == UPDATES
    stored = kept(f"losses_{kind}", found)
    assert found.keys() == stored.keys()
    for name, values in stored.items():
        assert found[name] == pytest.approx(values, rel=TOLERANCE, abs=0), name


def test_a_stopped_run_goes_on_as_if_it_had_not_been(folder: Path, tmp_path: Path) -> None:
    """It is stopped when the sync loss has its weight, between two checkpoints.

    In float32: Lightning rounds the weights of a float64 run when it restores them.
    """
    whole, run = tmp_path / "whole", tmp_path / "run"
    single = "trainer.precision=32-true"
    stop = ["+callbacks.stop._target_=tests.frozen.stop.Stop", "+callbacks.stop.update=13"]
    train("wav2lip_gan", folder, whole, single)
    train("wav2lip_gan", folder, run, single, *stop)
    assert len(curves(run)["train/loss"]) == 13
    train("wav2lip_gan", folder, run, single, f"resume={run}")
    assert curves(run) == curves(whole)
    one, other = (
        torch.load(each / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for each in (run, whole)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
