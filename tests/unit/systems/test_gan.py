"""The settings of the GAN beside the published ones."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from tests.unit.systems.test_systems import WIDTH, build, lips, trainer
from w2l.callbacks import SyncGate
from w2l.components import Discriminator
from w2l.losses import CrossEntropyGan, GanLoss, HingeGan
from w2l.models import PatchDiscriminator, QualityDiscriminator
from w2l.systems import Wav2LipGANSystem, warmup_cosine


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


class After(pl.Callback):
    """Ends a run that has no budget."""

    def __init__(self, updates: int) -> None:
        self.updates = updates

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        done = trainer.global_step // pl_module.optimizers_per_update
        trainer.should_stop = done >= self.updates


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
    warm = partial(warmup_cosine, warmup_updates=9, cosine=False)
    system = build(
        gan=True,
        optimizer=partial(torch.optim.Adam, lr=1e-3),
        scheduler=warm,
        discriminator_optimizer=partial(torch.optim.Adam, lr=1e-2),
        discriminator_scheduler=warm,
        discriminator_from=2,
    )
    run = trainer(tmp_path, -1, After(4))  # without a budget the warm-up is not shortened
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
        terms = {"l1": 0.93, "adversarial": 0.07, "features": 1.0}
        expected = sum(weight * row[f"train/loss_{term}"] for term, weight in terms.items())
        assert row["train/loss"] == pytest.approx(expected, rel=1e-5)
    assert set(system.weights()) == {"l1", "sync", "adversarial", "features"}


def test_the_penalty_reaches_the_discriminator(prepared: Path, tmp_path: Path) -> None:
    def weights(r1: float) -> torch.Tensor:
        _, _, system = fit(prepared, tmp_path, 1, r1_weight=r1)
        return torch.cat([p.detach().flatten() for p in system.discriminator.parameters()])

    assert torch.equal(weights(0.0), weights(0.0))
    assert not torch.equal(weights(0.0), weights(1e4))


def test_a_penalty_counts_for_the_updates_without_one() -> None:
    def gradients(r1_weight: float, r1_every: int, penalise: bool = True) -> torch.Tensor:
        system = build(gan=True, r1_weight=r1_weight, r1_every=r1_every)
        assert isinstance(system, Wav2LipGANSystem)
        system.double()
        system.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
        system.log = system.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
        rng = torch.Generator().manual_seed(1)
        real, made = torch.rand(2, 1, 3, 5, 96, 96, generator=rng, dtype=torch.float64)
        system.judge(real, made, penalise=penalise)
        return torch.cat([p.grad.flatten() for p in system.discriminator.parameters()])  # type: ignore[union-attr]

    plain = gradients(0.0, 16)
    once = gradients(50.0, 1) - plain
    assert float(once.abs().max()) > 1e-9
    torch.testing.assert_close(gradients(50.0, 16) - plain, 16 * once, rtol=1e-6, atol=1e-12)
    assert torch.equal(gradients(50.0, 16, penalise=False), plain)


@pytest.mark.parametrize("kind", [QualityDiscriminator, PatchDiscriminator])
@pytest.mark.parametrize("loss", [CrossEntropyGan(), HingeGan()])
def test_the_generator_is_pulled_to_what_the_discriminator_takes_for_real(
    loss: GanLoss, kind: type[Discriminator]
) -> None:
    system = build(gan=True, gan_loss=loss, adversarial_weight=1.0, discriminator=kind(width=WIDTH))
    assert isinstance(system, Wav2LipGANSystem)
    judge = system.discriminator.double()
    rng = torch.Generator().manual_seed(2)
    generated = torch.rand(1, 3, 5, 96, 96, generator=rng, dtype=torch.float64, requires_grad=True)
    before = judge.logits(judge.feature_maps(generated))
    weights = {"adversarial": system.weights()["adversarial"]}
    total = system.weighted_sum({"adversarial": loss.generator(before)}, weights)
    (slope,) = torch.autograd.grad(total, generated)
    after = judge.logits(judge.feature_maps(generated - 0.1 * slope / slope.abs().max()))
    assert bool(after.mean() > before.mean())


def test_patches_are_judged_each_by_what_lies_near(prepared: Path, tmp_path: Path) -> None:
    settings = {"gan_loss": HingeGan(), "r1_weight": 0.02, "r1_every": 1, "feature_weight": 1.0}
    patches = PatchDiscriminator(WIDTH)
    watch, _, _ = fit(prepared, tmp_path, 2, discriminator=patches, **settings)
    assert watch.moved == [True, True]
    assert all(row["train/r1"] > 0 and row["train/loss_features"] > 0 for row in watch.logged)
    faces = torch.rand(1, 3, 5, 96, 96)
    judged = patches(faces)
    assert judged.shape == (5, 6 * 12)
    assert bool(((judged > 0) & (judged < 1)).all())
    upper, corner = faces.clone(), faces.clone()
    upper[:, :, :, :48] = 0
    assert torch.equal(patches(upper), judged), "it judges lower halves"
    corner[:, :, 0, -8:, -8:] = 0
    changed = (patches(corner) != judged).unflatten(1, (6, 12))
    assert changed[0, -1, -1]
    assert not changed[0, :2].any()
    assert not changed[0, :, :8].any()
    assert not changed[1:].any()


def test_a_clipped_step_is_logged_with_its_full_norm(prepared: Path, tmp_path: Path) -> None:
    free, _, _ = fit(prepared, tmp_path, 1)
    held, _, system = fit(prepared, tmp_path, 1, clip_norm=1e-4)
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
