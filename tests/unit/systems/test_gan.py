"""The settings of the GAN beside the published ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from tests.unit.systems.test_systems import build, lips, trainer
from w2l.callbacks import SyncGate
from w2l.losses import HingeGan
from w2l.systems import OptimizerSettings, Wav2LipGANSystem


class Watch(pl.Callback):
    """What is logged after each update, and how far the discriminator has moved by then."""

    def __init__(self) -> None:
        self.logged: list[dict[str, float]] = []
        self.moved: list[bool] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._first = [p.detach().clone() for p in pl_module.discriminator.parameters()]

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
                           ) -> None:  # fmt: skip
        self.logged.append({k: float(v) for k, v in trainer.logged_metrics.items()})
        now = pl_module.discriminator.parameters()
        self.moved.append(any(not torch.equal(a, b) for a, b in zip(self._first, now, strict=True)))


def fit(prepared: Path, folder: Path, updates: int, *callbacks: pl.Callback, **settings: object
        ) -> tuple[Watch, pl.Trainer, Wav2LipGANSystem]:  # fmt: skip
    system = build(gan=True, **settings)
    assert isinstance(system, Wav2LipGANSystem)
    watch = Watch()
    run = trainer(folder, 2 * updates, watch, *callbacks)
    run.fit(system, datamodule=lips(prepared, repeats=4))
    return watch, run, system


def test_the_discriminator_begins_late_and_the_generator_listens_later(
    prepared: Path, tmp_path: Path
) -> None:
    settings = {"discriminator_from": 2, "adversarial_from": 3, "adversarial_weight": 0.5}
    watch, run, system = fit(prepared, tmp_path, 5, **settings)
    assert watch.moved == [False, False, True, True, True]
    assert run.global_step == 10
    assert len(watch.logged) == 5
    for update, row in enumerate(watch.logged):
        weight = 0.5 if update >= 3 else 0.0
        expected = (1 - weight) * row["train/loss_l1"] + weight * row["train/loss_adversarial"]
        assert row["train/loss"] == pytest.approx(expected, rel=1e-5)
        assert ("train/discriminator_accuracy" in row) is (update >= 2)
        assert row["train/updates"] == update + 1
    assert system.updates == 5


def test_each_network_has_its_own_rate_and_schedule(prepared: Path, tmp_path: Path) -> None:
    system = build(
        gan=True,
        optimizer=OptimizerSettings(1e-3, warmup_updates=9),
        discriminator_optimizer=OptimizerSettings(1e-2, warmup_updates=9),
        discriminator_from=2,
    )
    # Its length is the clock's to decide, so the warm-up is not shortened.
    run = trainer(tmp_path, -1, max_time={"weeks": 1}, limit_train_batches=4)
    run.fit_loop.max_epochs = -1
    run.callbacks.append(EndOfEpoch())  # type: ignore[attr-defined]
    run.fit(system, datamodule=lips(prepared, repeats=4))
    rates = [optimizer.param_groups[0]["lr"] for optimizer in run.optimizers]
    assert rates == pytest.approx([1e-3 * 5 / 10, 1e-2 * 3 / 10])  # four steps, and two


def test_hinge_and_gradient_penalty(prepared: Path, tmp_path: Path) -> None:
    settings = {"gan_loss": HingeGan(), "r1_weight": 1.0, "r1_every": 2, "feature_weight": 1.0}
    watch, _, system = fit(prepared, tmp_path, 4, **settings)
    penalties = [row["train/r1"] for row in watch.logged]  # what was not logged anew stays
    assert penalties[0] == penalties[1] != penalties[2] == penalties[3]
    for row in watch.logged:
        # Hardly anything is judged yet: both hinges are near their corner.
        assert row["train/loss_discriminator_real"] == pytest.approx(1, abs=0.2)
        assert row["train/loss_features"] > 0
    assert set(system.weights()) == {"l1", "sync", "adversarial", "features"}


def test_the_penalty_reaches_the_discriminator(prepared: Path, tmp_path: Path) -> None:
    def weights(r1: float) -> torch.Tensor:
        _, _, system = fit(prepared, tmp_path, 1, r1_weight=r1)
        return torch.cat([p.detach().flatten() for p in system.discriminator.parameters()])

    assert torch.equal(weights(0.0), weights(0.0))
    assert not torch.equal(weights(0.0), weights(1e4))


def test_a_clipped_step_is_logged_with_its_full_norm(prepared: Path, tmp_path: Path) -> None:
    free, _, _ = fit(prepared, tmp_path, 1)
    settings = OptimizerSettings(clip_norm=1e-4)
    held, _, system = fit(prepared, tmp_path, 1, optimizer=settings)
    assert held.logged[0]["optim/grad_norm"] == free.logged[0]["optim/grad_norm"] > 1e-4
    gradients = [p.grad for p in system.generator.parameters() if p.grad is not None]
    assert float(torch.nn.utils.get_total_norm(gradients)) == pytest.approx(1e-4, rel=1e-3)


def test_the_gate_can_be_a_ramp_that_a_resume_goes_on_with() -> None:
    def weights(gate: SyncGate, first: int, last: int) -> list[float]:
        system, seen = build(), []
        for update in range(first, last):
            run = SimpleNamespace(global_step=update)
            gate.on_train_batch_start(run, system, None, 0)  # type: ignore[arg-type]
            seen.append(system.sync_weight)
        return seen

    gate = SyncGate(0.4, below=None, from_update=2, ramp_updates=4)
    whole = weights(gate, 0, 8)
    assert whole == pytest.approx([0, 0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    again = SyncGate(0.4, below=None, from_update=2, ramp_updates=4)
    again.load_state_dict(gate.state_dict())
    assert weights(again, 4, 8) == whole[4:]
