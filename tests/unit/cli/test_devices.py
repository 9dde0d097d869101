"""How many devices a training takes, and by which strategy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.configs.test_train_configs import composed
from w2l.callbacks import RunCheckpoints
from w2l.cli.train import build_trainer, strategy_for, used_devices
from w2l.errors import UserError

FOUND = "ddp_find_unused_parameters_true"


@pytest.mark.parametrize(
    ("values", "plain", "gan"),
    [
        ((), "auto", "auto"),
        (("trainer=ddp",), "ddp", FOUND),
        (("trainer.devices=2",), "auto", FOUND),
        (("trainer.devices=auto",), "auto", FOUND),
        (("trainer.devices=-1",), "auto", FOUND),
        (("trainer.devices=auto", "trainer.accelerator=cpu"), "auto", "auto"),
        (("trainer.devices=2", "trainer.accelerator=cpu"), "auto", FOUND),
        (("+trainer.num_nodes=2",), "auto", FOUND),
        (("~trainer.strategy", "~trainer.accelerator", "~trainer.devices"), "auto", FOUND),
        (("trainer.strategy=ddp_spawn",), "ddp_spawn", "ddp_spawn_find_unused_parameters_true"),
    ],
)
def test_ddp_looks_for_unused_parameters_where_two_networks_take_turns(
    values: tuple[str, ...], plain: str, gan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    cfg = composed("experiment=wav2lip_gan", *values, "run_dir=x")
    assert strategy_for(cfg.trainer, 1) == plain
    assert strategy_for(cfg.trainer, 2) == gan


@pytest.mark.parametrize("strategy", ["fsdp", "deepspeed_stage_2"])
def test_split_networks_are_refused(strategy: str) -> None:
    cfg = composed("experiment=syncnet", f"trainer.strategy={strategy}", "run_dir=x")
    with pytest.raises(UserError, match="use trainer=ddp"):
        strategy_for(cfg.trainer, 1)


@pytest.mark.parametrize("experiment", ["syncnet", "wav2lip_gan"])
def test_the_published_batch_is_of_one_device(experiment: str) -> None:
    assert composed(f"experiment={experiment}", "run_dir=x").trainer.devices == 1


def test_what_several_devices_mean_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def line(processes: int, kind: str) -> str | None:
        strategy = SimpleNamespace(root_device=torch.device(kind))
        run: Any = SimpleNamespace(world_size=processes, strategy=strategy)
        return used_devices(run, 16)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert "4, so 4 x 16 = 64 samples an update" in str(line(4, "cuda"))
    assert "1 of 4 GPUs" in str(line(1, "cuda"))
    assert line(1, "cpu") is None
    many: Any = SimpleNamespace(world_size=3)
    assert "3, so 3 batches an update" in str(used_devices(many, None)), "of a data module's own"


@pytest.mark.parametrize("key", ["max_steps", "min_steps"])
def test_steps_of_optimizers_are_no_budget(key: str) -> None:
    cfg = composed("experiment=wav2lip_gan", f"+trainer.{key}=10", "run_dir=x")
    system: Any = SimpleNamespace(optimizers_per_update=2)
    with pytest.raises(UserError, match=f"trainer.{key} counts the steps of each optimizer"):
        build_trainer(cfg, system, None)  # type: ignore[arg-type]


def test_processes_that_would_each_train_alone_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0",
                        "TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "2"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    cfg = composed("experiment=syncnet", "trainer.accelerator=cpu", "logger=none", "run_dir=x")
    cfg.callbacks = {}
    system: Any = SimpleNamespace(optimizers_per_update=1)
    with pytest.raises(UserError, match=r"torchrun started 2 processes.*say trainer=ddp"):
        build_trainer(cfg, system, RunCheckpoints("x", 1))


def test_a_callback_or_logger_that_is_null_is_left_out() -> None:
    system: Any = SimpleNamespace(optimizers_per_update=1)

    def kinds(*values: str) -> list[str]:
        cfg = composed("experiment=syncnet", "run_dir=x", "trainer.accelerator=cpu", *values)
        trainer = build_trainer(cfg, system, RunCheckpoints("x", 1))
        return [type(part).__name__ for part in [*trainer.callbacks, *trainer.loggers]]

    every = kinds()
    fewer = kinds("callbacks.expert_report=null", "logger.csv=null")
    assert set(every) - set(fewer) == {"ExpertReport", "CurveFile"}
