"""Training with narrow networks: budgets, gates, checkpoints, resume."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger

from w2l.callbacks import AtomicCheckpointIO, SampleGrid, SyncGate
from w2l.data import ClipDataModule, ContrastiveSamples, LipSamples, SyncBatch, SyncSamples
from w2l.errors import UserError
from w2l.losses import ContrastiveSync, cosine, cross_entropy, sync_distance
from w2l.models import Expert, Generator, QualityDiscriminator
from w2l.systems import ExpertSystem, OptimizerSettings, Wav2LipGANSystem, Wav2LipSystem

WIDTH = 1 / 16


def build(gan: bool = False, **kwargs: object) -> Wav2LipSystem:
    torch.manual_seed(0)
    networks = {"generator": Generator(WIDTH), "expert": Expert(WIDTH)}
    if gan:
        return Wav2LipGANSystem(discriminator=QualityDiscriminator(WIDTH), **networks, **kwargs)
    return Wav2LipSystem(**networks, **kwargs)


def trainer(folder: Path, steps: int, *callbacks: pl.Callback, **kwargs: object) -> pl.Trainer:
    options: dict[str, object] = {
        "accelerator": "cpu",
        "max_steps": steps,
        "max_epochs": -1,
        "callbacks": list(callbacks),
        "default_root_dir": folder,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "plugins": [AtomicCheckpointIO()],
        "log_every_n_steps": 1,
    }
    return pl.Trainer(**{**options, **kwargs})  # type: ignore[arg-type]


def lips(root: Path, **kwargs: object) -> ClipDataModule:
    return ClipDataModule(root, LipSamples(), batch_size=2, num_workers=0, **kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize("gan", [False, True])
def test_two_optimizers_advance_lightnings_step_twice_per_update(
    gan: bool, prepared: Path, tmp_path: Path
) -> None:
    system = build(gan)
    updates = 3
    run = trainer(tmp_path, updates * system.optimizers_per_update)
    run.fit(system, datamodule=lips(prepared))
    assert run.global_step == updates * system.optimizers_per_update
    assert run.fit_loop.total_batch_idx + 1 == updates


def test_the_frozen_expert_stays_and_is_not_saved(prepared: Path, tmp_path: Path) -> None:
    system = build(gan=True)
    before = {k: v.clone() for k, v in system.expert.state_dict().items()}
    run = trainer(tmp_path, 2, SyncGate(0.5, from_update=0))
    run.fit(system, datamodule=lips(prepared))
    after = system.expert.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    run.save_checkpoint(tmp_path / "x.ckpt")
    saved = torch.load(tmp_path / "x.ckpt", weights_only=True)
    kinds = {key.split(".")[0] for key in saved["state_dict"]}
    assert kinds == {"generator", "discriminator"}
    assert saved["w2l"] == {
        "network": "generator",
        "config": {"width": WIDTH, "image_size": 96, "lead_frames": 0},
    }


def test_expert_batchnorm_is_a_choice() -> None:
    assert not build().train().expert.training
    assert build(expert_batchnorm="batch").train().expert.training
    with pytest.raises(ValueError, match="expert_batchnorm"):
        build(expert_batchnorm="live")


def test_weight_zero_reports_the_sync_loss_without_training_on_it(
    prepared: Path, tmp_path: Path
) -> None:
    system = build()
    run = trainer(tmp_path, 1, logger=CSVLogger(tmp_path))
    run.fit(system, datamodule=lips(prepared))
    assert run.logged_metrics["train/loss_sync"] > 0
    assert run.logged_metrics["train/sync_weight"] == 0
    assert run.logged_metrics["train/loss"] == run.logged_metrics["train/loss_l1"]


@pytest.mark.parametrize(("below", "opens"), [(100.0, True), (0.0, False)])
def test_gate_opens_under_its_bar_and_stays_open_after_resume(
    below: float, opens: bool, prepared: Path, tmp_path: Path
) -> None:
    gate = SyncGate(0.03, below=below)
    system = build()
    run = trainer(tmp_path, 3, gate, val_check_interval=1, limit_val_batches=1)
    run.fit(system, datamodule=lips(prepared))
    assert gate.is_open is opens
    assert system.sync_weight == (0.03 if opens else 0.0)
    run.save_checkpoint(tmp_path / "gate.ckpt")

    again, resumed = SyncGate(0.03, below=0.0), build()
    run = trainer(tmp_path, 4, again, val_check_interval=1, limit_val_batches=1)
    run.fit(resumed, datamodule=lips(prepared), ckpt_path=tmp_path / "gate.ckpt", weights_only=True)
    assert again.is_open is opens
    assert resumed.sync_weight == (0.03 if opens else 0.0)
    assert again.opened_at == gate.opened_at


class Losses(pl.Callback):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        self.seen.append(float(trainer.logged_metrics["train/loss"]))


@pytest.mark.parametrize(("gan", "stop"), [(False, 1), (False, 3), (False, 4), (True, 2)])
def test_a_resumed_run_gives_the_losses_of_an_uninterrupted_one(
    gan: bool, stop: int, prepared: Path, tmp_path: Path
) -> None:
    per_update = 2 if gan else 1
    whole, first, rest = Losses(), Losses(), Losses()
    gates = [SyncGate(0.1, from_update=1) for _ in range(3)]
    data = partial(lips, prepared, repeats=2)  # four batches an epoch: stopped in its middle
    trainer(tmp_path, 5 * per_update, whole, gates[0]).fit(build(gan), datamodule=data())
    run = trainer(tmp_path, stop * per_update, first, gates[1])
    run.fit(build(gan), datamodule=data())
    run.save_checkpoint(tmp_path / "half.ckpt")
    trainer(tmp_path, 5 * per_update, rest, gates[2]).fit(
        build(gan), datamodule=data(), ckpt_path=tmp_path / "half.ckpt", weights_only=True
    )
    assert len(first.seen) == stop
    assert first.seen + rest.seen == whole.seen


def test_expert_learns_with_either_objective(prepared: Path, tmp_path: Path) -> None:
    for objective, relu, samples in (
        (None, True, SyncSamples()),
        (ContrastiveSync(), False, ContrastiveSamples(windows=3)),
    ):
        torch.manual_seed(0)
        system = ExpertSystem(
            Expert(WIDTH, last_relu=relu), objective, OptimizerSettings(1e-3, warmup_updates=2)
        )
        losses = Losses()
        data = ClipDataModule(prepared, samples, batch_size=4, num_workers=0, cache=True)
        trainer(tmp_path, 4, losses, val_check_interval=1, limit_val_batches=1).fit(
            system, datamodule=data
        )
        assert all(torch.isfinite(torch.tensor(losses.seen)))


def test_sample_grid_is_a_picture_of_reference_input_output_target(
    prepared: Path, tmp_path: Path
) -> None:
    grid = SampleGrid(tmp_path / "samples", rows=2)
    run = trainer(tmp_path, 4, grid, val_check_interval=2, limit_val_batches=1)
    run.fit(build(gan=True), datamodule=lips(prepared))
    picture = cv2.imread(str(tmp_path / "samples" / "0000002.png"))
    assert picture.shape == (2 * 96, 4 * 96, 3)
    assert not picture[48:96, 96:192].any()  # the input's lower half is hidden
    assert picture[48:96, 288:].any()


def test_schedule_warms_up_and_decays() -> None:
    settings = OptimizerSettings(1.0, warmup_updates=4, cosine=True)
    optimizer = settings.optimizer([torch.nn.Parameter(torch.ones(1))])
    schedule = settings.schedule(optimizer, total_updates=20)
    assert schedule is not None
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(max(rates[3:6]))
    assert rates[-1] < 0.02
    assert OptimizerSettings().schedule(optimizer, float("inf")) is None
    with pytest.raises(UserError, match="max_updates"):
        settings.schedule(optimizer, float("inf"))


def test_losses_survive_autocast_and_rounding() -> None:
    audio = torch.nn.functional.normalize(torch.rand(4, 8), dim=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cross_entropy(cosine(audio.bfloat16(), audio.bfloat16()), torch.ones(4, 1))
    assert loss.dtype == torch.float32
    assert float(loss) < 0.01
    assert float(cross_entropy(torch.tensor([[1.0000001]]), torch.ones(1, 1))) < 1e-5
    assert float(sync_distance(audio, -audio)) == pytest.approx(2.0)


def test_gate_looks_at_the_validation_loss() -> None:
    for validation, opens in ((0.74, True), (0.76, False)):
        gate, system = SyncGate(0.03), build()
        metrics = {"val/loss_sync": validation, "train/loss_sync": 1.5 - validation}
        run = SimpleNamespace(sanity_checking=False, callback_metrics=metrics, global_step=10)
        gate.on_validation_end(run, system)  # type: ignore[arg-type]
        assert gate.is_open is opens
        assert system.sync_weight == (0.03 if opens else 0.0)


def test_expert_is_validated_within_clips() -> None:
    """Who speaks must not count as being in sync."""

    class Told(torch.nn.Module):
        def forward(self, audio: torch.Tensor, face: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return audio, face

    one, two = torch.eye(4)[:2], torch.eye(4)[2:]
    audio, face = torch.cat([one, two]), torch.cat([one, two.flip(0)])
    system = ExpertSystem(Told(), ContrastiveSync())  # type: ignore[arg-type]
    logged: dict[str, float] = {}
    system.log_dict = lambda values, **_: logged.update(values)  # type: ignore[method-assign]
    system.validation_step(SyncBatch(face, audio, torch.ones(4, 1), torch.tensor([1, 1, 2, 2])), 0)
    assert float(logged["val/accuracy"]) == 0.5
    assert float(logged["val/cosine_in_sync"]) == 0.5
    assert float(logged["val/cosine_off_sync"]) == 0.5
