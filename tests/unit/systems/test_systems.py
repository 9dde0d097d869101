"""Training with narrow networks: budgets, gates, checkpoints, resume."""

from __future__ import annotations

import logging
import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.loggers import CSVLogger

from w2l.callbacks import AtomicCheckpointIO, SampleGrid, SyncGate
from w2l.data import ClipDataModule, ContrastiveSamples, LipSamples, SyncBatch, SyncSamples
from w2l.data.batches import LipBatch
from w2l.errors import UserError
from w2l.losses import ContrastiveSync, CrossEntropySync, cosine, cross_entropy, sync_distance
from w2l.models import Expert, Generator, QualityDiscriminator
from w2l.systems import (
    ExpertSystem,
    Learner,
    Wav2LipGANSystem,
    Wav2LipSystem,
    warmup_cosine,
)
from w2l.systems.expert import similarities

WIDTH = 1 / 16


def learning(lr: float, *, warmup_updates: int = 0, cosine: bool = False) -> dict[str, Any]:
    """Adam at this rate, and a schedule, as arguments of a system."""
    return {
        "optimizer": partial(torch.optim.Adam, lr=lr),
        "scheduler": partial(warmup_cosine, warmup_updates=warmup_updates, cosine=cosine),
    }


def build(gan: bool = False, **kwargs: object) -> Wav2LipSystem:
    torch.manual_seed(0)
    networks: dict[str, Any] = {"generator": Generator(WIDTH), "expert": Expert(WIDTH)}
    if gan:
        networks["discriminator"] = QualityDiscriminator(WIDTH)
        return Wav2LipGANSystem(**(networks | kwargs))
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
        "target": "w2l.models.generator.Generator",
        "config": {"width": WIDTH, "image_size": 96, "lead_frames": 0},
        "pads": [0, 0, 0, 0],
        "speakers": None,
        "discriminator": {
            "target": "w2l.models.discriminator.QualityDiscriminator",
            "config": {"width": WIDTH, "image_size": 96},
        },
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


@pytest.mark.parametrize(
    ("gan", "stop"),
    [
        pytest.param(False, 1, marks=pytest.mark.long),
        pytest.param(False, 3, marks=pytest.mark.long),
        pytest.param(False, 4, marks=pytest.mark.long),
        (True, 2),
    ],
)
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
            Expert(WIDTH, last_relu=relu), objective, **learning(1e-3, warmup_updates=2)
        )
        losses = Losses()
        data = ClipDataModule(prepared, samples, batch_size=4, num_workers=0, cache=True)
        trainer(tmp_path, 4, losses, val_check_interval=1, limit_val_batches=1).fit(
            system, datamodule=data
        )
        assert all(torch.isfinite(torch.tensor(losses.seen)))


def test_sample_grid_is_a_image_of_reference_input_output_target(
    prepared: Path, tmp_path: Path
) -> None:
    grid = SampleGrid(tmp_path / "samples", rows=2)
    run = trainer(tmp_path, 4, grid, val_check_interval=2, limit_val_batches=1)
    run.fit(build(gan=True), datamodule=lips(prepared))
    image = cv2.imread(str(tmp_path / "samples" / "0000002.png"))
    strip, faces = image[: -2 * 96], image[-2 * 96 :]
    assert faces.shape == (2 * 96, 4 * 96, 3)
    assert not faces[48:96, 96:192].any()  # the input's lower half is hidden
    assert faces[48:96, 288:].any()
    names = np.split(strip, 4, axis=1)
    assert all(each[3:-3].min() < 100 for each in names), "each column has a name"
    assert all(each[:, [0, -1]].min() > 200 for each in names), "that fits"


def test_schedule_warms_up_and_decays() -> None:
    learner = Learner(**learning(1.0, warmup_updates=4, cosine=True))
    weight = torch.nn.Parameter(torch.ones(1))
    made = learner.configured([weight], 20)
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(max(rates[3:6]))
    assert rates[-1] < 0.02
    assert "lr_scheduler" not in Learner().configured([weight], float("inf"))
    with pytest.raises(UserError, match="max_updates"):
        learner.configured([weight], float("inf"))


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


class Told(torch.nn.Module):
    """An expert whose embeddings are what it is given."""

    def forward(self, audio: torch.Tensor, face: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return audio, face


@torch.no_grad()
def validated(objective: torch.nn.Module, *batches: SyncBatch) -> dict[str, float]:
    """What a validation of these batches logs."""
    system = ExpertSystem(Told(), objective)  # type: ignore[arg-type]
    system.trainer = SimpleNamespace(strategy=SimpleNamespace(reduce=lambda x, reduce_op: x))  # type: ignore[assignment]
    logged: dict[str, float] = {}
    system.log_dict = lambda values, **_: logged.update(values)  # type: ignore[method-assign]
    system.on_validation_epoch_start()
    for batch in batches:
        system.validation_step(batch, 0)
    system.on_validation_epoch_end()
    return {name: float(value) for name, value in logged.items()}


def test_expert_is_validated_within_clips() -> None:
    """Who speaks must not count as being in sync."""
    one, two = torch.eye(4)[:2], torch.eye(4)[2:]
    audio, face = torch.cat([one, two]), torch.cat([one, two.flip(0)])
    batch = SyncBatch(face, audio, torch.ones(4, 1), torch.tensor([1, 1, 2, 2]))
    logged = validated(ContrastiveSync(), batch)
    assert logged["val/accuracy"] == 0.5
    assert logged["val/cosine_in_sync"] == 0.5
    assert logged["val/cosine_off_sync"] == 0.5


def pairs(cosines: list[float], labels: list[int]) -> SyncBatch:
    """Windows of one draw each, with these cosines of lips and sound."""
    x = torch.tensor(cosines)
    face = torch.stack([x, (1 - x * x).sqrt()], dim=1)
    audio = torch.tensor([[1.0, 0.0]]).expand(len(x), 2)
    return SyncBatch(face, audio, torch.tensor(labels).float()[:, None], torch.arange(len(x)))


def test_an_expert_that_says_no_to_everything_is_right_about_the_others_only() -> None:
    """Also in a batch whose labels are all 1, and whatever the batches' sizes."""
    says_no = pairs([0.1, 0.1], [1, 1]), pairs([0.2], [1]), pairs([0.3, 0.3, 0.3], [0, 1, 0])
    logged = validated(CrossEntropySync(), *says_no)
    assert logged["val/accuracy"] == pytest.approx(2 / 6)
    assert logged["val/cosine_in_sync"] == pytest.approx((0.1 + 0.1 + 0.2 + 0.3) / 4)
    assert logged["val/cosine_off_sync"] == pytest.approx(0.3)
    losses = [-math.log(x) for x in (0.1, 0.1, 0.2, 0.3)] + 2 * [-math.log(0.7)]
    assert logged["val/loss"] == pytest.approx(sum(losses) / 6)


def test_a_validation_without_pairs_out_of_sync_logs_none_of_them() -> None:
    logged = validated(CrossEntropySync(), pairs([0.9, 0.6], [1, 1]))
    assert logged["val/accuracy"] == 1
    assert "val/cosine_off_sync" not in logged


def test_similarities_are_float32_under_autocast() -> None:
    batch = pairs([0.123456, 0.123457, 0.5], [1, 0, 1])
    plain, *_ = similarities(batch.mel, batch.frames, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, *_ = similarities(batch.mel, batch.frames, batch)
    assert found.dtype == torch.float32
    assert torch.equal(found, plain)


def test_an_experts_clipped_step_is_shortened() -> None:
    system = ExpertSystem(Expert(WIDTH), clip_norm=1e-4)
    logged: dict[str, torch.Tensor] = {}
    system.log = logged.__setitem__  # type: ignore[method-assign, assignment]
    for parameter in system.parameters():
        parameter.grad = torch.ones_like(parameter)
    gradients = [p.grad for p in system.parameters() if p.grad is not None]
    full = sum(gradient.numel() for gradient in gradients) ** 0.5
    system.on_before_optimizer_step(system.learner.optimizer(system.parameters()))
    assert float(logged["optim/grad_norm"]) == pytest.approx(full, rel=1e-4)
    assert float(torch.nn.utils.get_total_norm(gradients)) == pytest.approx(1e-4, rel=1e-3)


def test_any_optimizer_and_schedule_will_do() -> None:
    """With frozen weights left out; a schedule is told the run's length where it asks for it."""
    learned, frozen = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    learner = Learner(
        partial(torch.optim.SGD, lr=1.0, momentum=0.5),
        partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1),
    )
    made = learner.configured([learned, frozen.requires_grad_(False)], 5)
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    assert [p is learned for group in optimizer.param_groups for p in group["params"]] == [True]
    learned.grad = torch.ones(1)
    optimizer.step()
    schedule.step()
    assert (learned.item(), optimizer.param_groups[0]["lr"]) == (0, pytest.approx(0.1))


@pytest.mark.parametrize("role", ["optimizer", "scheduler"])
def test_what_they_do_not_take_is_told_before_anything_is_read(role: str) -> None:
    made = partial(torch.optim.RAdam, lr=1.0, hue=2)
    words = rf"system\.{role}: torch\.optim\.radam\.RAdam takes params, lr, .* was given lr, hue"
    with pytest.raises(UserError, match=words):
        Learner(**{role: made})  # type: ignore[arg-type]


class Validations(pl.Callback):
    """What each validation logged."""

    def __init__(self) -> None:
        self.seen: list[dict[str, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, *_: object) -> None:
        logged = trainer.callback_metrics
        self.seen.append({k: float(v) for k, v in logged.items() if k.startswith("val/")})


@pytest.mark.parametrize("gan", [False, True])
def test_the_validation_loss_has_the_same_weights_before_and_after_the_gate(
    gan: bool, prepared: Path, tmp_path: Path
) -> None:
    """Nor does it hold what a discriminator says, that learns."""
    validations, gate = Validations(), SyncGate(0.3, below=None, from_update=1)
    system = build(gan)
    run = trainer(
        tmp_path, 2 * system.optimizers_per_update, gate, validations,
        val_check_interval=1, limit_val_batches=1,
    )  # fmt: skip
    run.fit(system, datamodule=lips(prepared))
    assert gate.opened_at == 1
    assert len(validations.seen) == 2
    for row in validations.seen:
        expected = 0.7 * row["val/loss_l1"] + 0.3 * row["val/loss_sync"]
        assert row["val/loss"] == pytest.approx(expected, rel=1e-5)
    meaning = system.meanings["val/loss"]
    assert meaning == "0.7 l1 + 0.3 sync, the same weights along the whole run"


def test_an_expert_on_each_batchs_statistics_keeps_its_own(prepared: Path, tmp_path: Path) -> None:
    system = build(expert_batchnorm="batch")
    before = {k: v.clone() for k, v in system.expert.named_buffers() if "running" in k}
    run = trainer(tmp_path, 2, SyncGate(0.5, from_update=0), val_check_interval=1)
    run.fit(system, datamodule=lips(prepared))
    after = dict(system.expert.named_buffers())
    assert before
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_networks_for_other_sizes_of_faces_are_one_sentence() -> None:
    with pytest.raises(UserError, match=r"faces of 96 px.*makes 64 px: set model\.image_size=96"):
        Wav2LipSystem(generator=Generator(WIDTH, 64), expert=Expert(WIDTH))


def test_an_expert_of_smaller_faces_teaches_too_and_sees_no_colour_where_that_is_asked() -> None:
    torch.manual_seed(0)
    batch = LipBatch(
        torch.rand(1, 6, 5, 96, 96), torch.randn(1, 5, 1, 80, 16), torch.randn(1, 1, 80, 16),
        torch.rand(1, 3, 5, 96, 96),
    )  # fmt: skip
    expert = Expert(WIDTH, 48, last_relu=False)
    gradients = []
    for given in ({}, {"sync_in_grey": True}, {"sync_in_grey": True, "sync_jitter": 2}):
        system = Wav2LipSystem(generator=Generator(WIDTH), expert=expert, **given)
        system.train().sync_weight = 1.0
        generated = batch.target.clone().requires_grad_()
        system.losses(batch, generated)["sync"].backward()
        assert generated.grad is not None
        gradients.append(generated.grad[:, :, :, 48:])
    shares = torch.tensor([0.114, 0.587, 0.299])[:, None, None, None]
    for number, gradient in enumerate(gradients):
        assert float(gradient.abs().max()) > 0
        luma = (gradient / shares).mean(dim=1, keepdim=True) * shares
        assert torch.allclose(gradient, luma, rtol=1e-3, atol=1e-9) == (number > 0)
    system.eval()  # a validation is not left to chance
    twice = [float(system.losses(batch, batch.target)["sync"]) for _ in range(2)]
    assert twice[0] == twice[1]


class Rates(pl.Callback):
    """The generator's rate at each update."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize(
    "budget",
    [
        {"max_updates": 4},
        {"max_epochs": 2},
        pytest.param({"max_epochs": 9, "max_updates": 4}, marks=pytest.mark.long),
        pytest.param({"max_epochs": 2, "max_updates": 100}, marks=pytest.mark.long),
    ],
)
def test_a_budget_means_the_same_for_one_and_two_optimizers(
    budget: dict[str, int], prepared: Path, tmp_path: Path
) -> None:
    """Four updates, over which the rate falls to 0."""
    found = []
    for gan in (False, True):
        system = build(gan, **learning(1.0, cosine=True))
        updates = budget.get("max_updates", -1)
        steps = updates if updates == -1 else updates * system.optimizers_per_update
        rates = Rates()
        epochs = budget.get("max_epochs", -1)
        run = trainer(tmp_path, steps, rates, max_epochs=epochs, limit_val_batches=0)
        run.fit(system, datamodule=lips(prepared))  # an epoch is two updates
        found.append(rates.seen)
    expected = [0.5 * (1 + math.cos(math.pi * i / 4)) for i in range(4)]
    assert found[0] == found[1] == pytest.approx(expected)


class Clock(pl.Callback):
    """A clock that moves on by a second with each update."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def on_train_batch_start(self, *_: object) -> None:
        self.seconds += 1


@pytest.mark.parametrize("gan", [False, True])
def test_an_hour_is_an_hour_for_two_optimizers_too(
    gan: bool, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, system = Clock(), build(gan)
    monkeypatch.setattr(Timer, "time_elapsed", lambda *_: clock.seconds)
    run = trainer(tmp_path, -1, clock, max_time={"seconds": 3}, limit_val_batches=0)
    run.fit(system, datamodule=lips(prepared))
    assert run.global_step == 3 * system.optimizers_per_update
    endless = build(gan, **learning(1.0, cosine=True))
    run = trainer(tmp_path, -1, max_time={"seconds": 3}, limit_val_batches=0)
    with pytest.raises(UserError, match="name its length: max_updates="):
        run.fit(endless, datamodule=lips(prepared))


def test_a_short_run_warms_up_for_a_fifth_of_it(caplog: pytest.LogCaptureFixture) -> None:
    def rates(warmup: int, total: float, updates: int) -> list[float]:
        learner = Learner(**learning(1.0, warmup_updates=warmup))
        made = learner.configured([torch.nn.Parameter(torch.ones(1))], total)
        optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
        found = []
        for _ in range(updates):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    with caplog.at_level(logging.INFO):
        assert rates(500, 20, 6) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
        assert "warm-up: 4 updates in place of 500, a fifth of the 20" in caplog.text
        caplog.clear()
        assert rates(4, 20, 2) == rates(4, float("inf"), 2) == pytest.approx([0.2, 0.4])
        assert rates(500, -980, 2) == [1.0, 1.0]  # a discriminator that begins after the end
        assert "in place of 4," not in caplog.text


def test_what_will_never_count_is_said(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    system = build(gan=True, discriminator_from=1, adversarial_from=50)
    gate = SyncGate(0.03, below=None, from_update=10_000)
    with caplog.at_level(logging.INFO):
        trainer(tmp_path, 4, gate, limit_val_batches=0).fit(system, datamodule=lips(prepared))
    assert "the sync loss never counts in this run of 2 updates" in caplog.text
    assert "the adversarial loss never counts in this run of 2 updates" in caplog.text
