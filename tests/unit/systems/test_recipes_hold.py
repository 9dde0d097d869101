"""What the strong recipes add counts by as much as they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from tests.unit.systems.test_gan import fit
from tests.unit.systems.test_systems import WIDTH, build, trainer
from w2l.cli.train import strategy_for
from w2l.data import ClipDataModule, ContrastiveSamples
from w2l.losses import ContrastiveSync
from w2l.models import Expert
from w2l.systems import ExpertSystem, OptimizerSettings


def test_a_penalty_counts_for_the_updates_until_the_next() -> None:
    system = build(gan=True, r1_weight=2.0, r1_every=16).double()  # a fresh network's is tiny
    minimised, logged = list[torch.Tensor](), dict[str, torch.Tensor]()
    system.manual_backward = minimised.append  # type: ignore[method-assign]
    system.log = lambda name, value, **_: logged.update({name: value})  # type: ignore[method-assign]
    system.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    real, fake = torch.rand(2, 1, 3, 5, 96, 96, dtype=torch.float64)
    for penalise in (False, True):
        system.judge(real, fake, penalise=penalise)
    added = float((minimised[1] - minimised[0]).detach())
    assert added == pytest.approx(2.0 * 16 * float(logged["train/r1"]), rel=1e-3)
    assert added > 0


def test_each_loss_counts_by_its_weight(prepared: Path, tmp_path: Path) -> None:
    watch, _, _ = fit(prepared, tmp_path, 2, adversarial_weight=0.3, feature_weight=0.5)
    for row in watch.logged:
        parts = {"l1": 0.7, "adversarial": 0.3, "features": 0.5}
        expected = sum(weight * row[f"train/loss_{name}"] for name, weight in parts.items())
        assert row["train/loss_features"] > 0
        assert row["train/loss"] == pytest.approx(expected, rel=1e-5)


class Gradients(pl.Callback):
    """Their length, as the optimizer was given them."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
                           ) -> None:  # fmt: skip
        given = [p.grad for p in pl_module.parameters() if p.grad is not None]
        self.norm = float(torch.nn.utils.get_total_norm(given))


def test_the_experts_gradients_are_clipped(prepared: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings, gradients = OptimizerSettings(clip_norm=1e-4), Gradients()
    system = ExpertSystem(Expert(WIDTH, last_relu=False), ContrastiveSync(), settings)
    run = trainer(tmp_path, 1, gradients)
    data = ClipDataModule(prepared, ContrastiveSamples(windows=3), batch_size=4, num_workers=0)
    run.fit(system, datamodule=data)
    assert gradients.norm == pytest.approx(1e-4, rel=1e-3)
    assert run.logged_metrics["optim/grad_norm"] > 1e-4  # what it was before


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_weights_decay_by_their_share(decay: float) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = OptimizerSettings(1e-2, weight_decay=decay).optimizer([weight])
    weight.grad = torch.zeros(3)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((3,), 1 - 1e-2 * decay))


def test_networks_that_take_turns_look_for_unused_parameters() -> None:
    ddp = OmegaConf.create({"strategy": "ddp", "accelerator": "cpu", "devices": 2})
    assert strategy_for(ddp, per_update=1) == "ddp"
    assert strategy_for(ddp, per_update=2) == "ddp_find_unused_parameters_true"
