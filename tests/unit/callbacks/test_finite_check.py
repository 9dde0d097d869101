"""A training whose numbers are no numbers ends, and nothing of it is kept."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from tests.unit.systems.test_systems import WIDTH, build, lips, trainer
from w2l.callbacks import CollapseWatcher, DivergedError, FiniteCheck, RunCheckpoints
from w2l.checkpoints.load import not_finite
from w2l.data import ClipDataModule, SyncSamples
from w2l.models import Expert
from w2l.systems import ExpertSystem


class Break(pl.Callback):
    """Makes one value of one entry infinite after an update."""

    def __init__(self, update: int, entry: str) -> None:
        self.update, self.entry = update, entry

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        if trainer.global_step // pl_module.optimizers_per_update == self.update:
            pl_module.state_dict()[self.entry].view(-1)[-1] = math.inf


ENTRIES = {
    "syncnet": "expert.face_encoder.0.conv_block.0.weight",
    "wav2lip": "generator.output_block.0.conv_block.1.running_var",
    "wav2lip_gan": "discriminator.face_encoder_blocks.0.0.conv_block.0.weight",
}


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        ("syncnet", "a look"),
        ("syncnet", "a checkpoint"),
        ("syncnet", "a validation"),
        ("wav2lip", "a look"),
        ("wav2lip_gan", "a checkpoint"),
    ],
)
def test_weights_end_the_run_and_are_not_written(
    kind: str, before: str, prepared: Path, tmp_path: Path
) -> None:
    system, data = build(gan=kind == "wav2lip_gan"), lips(prepared, repeats=4)
    if kind == "syncnet":
        system = ExpertSystem(Expert(WIDTH))
        data = ClipDataModule(prepared, SyncSamples(), batch_size=2, num_workers=0, repeats=4)
    breaks = Break(4 if before == "a checkpoint" else 3, ENTRIES[kind])
    validates = before == "a validation"
    run = trainer(
        tmp_path, 100, breaks, FiniteCheck(3 if before == "a look" else 1000),
        RunCheckpoints(tmp_path, every=2), enable_checkpointing=True,
        val_check_interval=3 if validates else 1.0, limit_val_batches=int(validates),
    )  # fmt: skip
    with pytest.raises(DivergedError, match=f"1 weights \\({ENTRIES[kind]} first") as error:
        run.fit(system, datamodule=data)
    good = tmp_path / "update-0000002.ckpt"
    assert f"init_from={good}" in str(error.value)
    assert {path.name for path in tmp_path.glob("*.ckpt")} == {"last.ckpt", good.name}
    assert not not_finite(torch.load(good, weights_only=True)["state_dict"])


def tell(values: list[dict[str, float]], every: int) -> None:
    """A check is told what was logged after each of these updates."""
    check, system = FiniteCheck(every), torch.nn.Linear(1, 1)
    system.optimizers_per_update = 1  # type: ignore[assignment]
    for update, logged in enumerate(values, start=1):
        run = SimpleNamespace(
            callback_metrics={k: torch.tensor(v) for k, v in logged.items()}, global_step=update,
            strategy=SimpleNamespace(reduce_boolean_decision=lambda fine, all: fine),
            checkpoint_callback=None,
        )  # fmt: skip
        check.on_train_batch_end(run, system, None, None, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["train/loss", "train/loss_sync", "optim/grad_norm"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_of_any_update_counts(name: str, value: float) -> None:
    values = [{name: 1.0}, {name: value}, {name: 1e30}, {name: 1.0}, {name: 1.0}]
    with pytest.raises(DivergedError, match=f"{name} were NaN or infinite by update 4,"):
        tell(values, every=4)
    tell([{name: 1e38}] * 9, every=2)
    tell([{"train/sync_weight": math.nan}] * 4, every=2)


def test_a_rate_beyond_all_ends_a_run(prepared: Path, tmp_path: Path) -> None:
    system = build(optimizer=partial(torch.optim.Adam, lr=1e12))
    run = trainer(
        tmp_path, 40, FiniteCheck(10), RunCheckpoints(tmp_path, 100), enable_checkpointing=True
    )
    with pytest.raises(DivergedError, match="by update 10"):
        run.fit(system, datamodule=lips(prepared, repeats=20))
    assert not list(tmp_path.glob("*.ckpt"))


def test_no_collapse_is_seen_in_what_is_no_number(tmp_path: Path) -> None:
    watcher = CollapseWatcher(tmp_path, window=2)
    for update in (1, 2):
        metrics = {"train/discriminator_accuracy": 0.0, "train/loss_l1": math.nan}
        run = SimpleNamespace(
            callback_metrics={k: torch.tensor(v) for k, v in metrics.items()},
            global_step=2 * update, loggers=[], is_global_zero=True,
        )  # fmt: skip
        watcher.on_train_batch_end(run, build(gan=True), None, None, 0)  # type: ignore[arg-type]
    assert watcher.warnings == []
    assert watcher.good_until == 0
