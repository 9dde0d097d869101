"""Numbers with which no training can be made are refused before one begins."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch.optim import Adam

from tests.configs.test_train_configs import composed, settings_of
from w2l.cli import hydra_app
from w2l.cli.keys.train import Train
from w2l.cli.train import check_arguments, fit
from w2l.errors import UserError
from w2l.systems.optim import Learner

BEYOND = {
    "syncnet_strong": {
        "seed": -1, "max_updates": 0, "overfit.samples": 0, "model.image_size": 15,
        "model.width": 0, "data.batch_size": 0, "data.num_workers": -1, "data.repeats": 0,
        "data.val_repeats": 0, "trainer.val_check_interval": 0, "trainer.log_every_n_steps": 0,
        "data.samples.windows": 0,
        "data.samples.min_distance": 0,  # a window would be wrong for itself
        "data.val_samples.windows": 0, "data.samples.augment.share": 1.1,
        "system.objective.other_clips": 2, "system.scheduler.warmup_updates": -1,
        "callbacks.expert_report.clips": -1, "callbacks.stall_watcher.patience": 0,
    },
    "wav2lip_gan_strong": {
        "lead_frames": 6, "system.adversarial_weight": 1.5, "system.feature_weight": -1,
        "system.r1_weight": -1, "system.r1_every": 0, "callbacks.sync_gate.weight": 2,
        "callbacks.sync_gate.ramp_updates": -1, "callbacks.lip_report.clips": -1,
        "callbacks.collapse_watcher.window": 0, "callbacks.finite_check.every": 0,
    },
}  # fmt: skip


@pytest.mark.parametrize("experiment", BEYOND)
def test_a_number_beyond_its_bounds_is_refused(experiment: str) -> None:
    cfg = composed(f"experiment={experiment}", "run_dir=x")
    check_arguments(hydra_app.settings_of(cfg, Train))
    for key, value in BEYOND[experiment].items():
        changed = copy.deepcopy(cfg)
        OmegaConf.update(changed, key, value)
        group, _, name = key.rpartition(".")
        with pytest.raises(UserError, match=rf"^({group}: )?[\w.]*{name}={value} must be "):
            check_arguments(hydra_app.settings_of(changed, Train))


@pytest.mark.parametrize("group", ["data", "system.expert"])
def test_images_and_networks_are_of_one_size(group: str) -> None:
    check_arguments(settings_of("experiment=syncnet", "model.image_size=64"))
    other = settings_of("experiment=syncnet", f"{group}.image_size=95")
    with pytest.raises(UserError, match=f"{group}.image_size=95 is not model.image_size=96"):
        check_arguments(other)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"optimizer": partial(Adam, lr=-1)},
            r"system.optimizer: Adam refuses lr=-1 \(Invalid .*: -1\); its sig",
        ),
        (
            {"optimizer": partial(Adam, betas=(0.9,))},
            r"system.optimizer: Adam refuses betas=\(0.9,\) ",
        ),
        ({"clip_norm": -1.0}, "clip_norm=-1.0 must be more than 0"),
        ({"clip_norm": 0.0}, "clip_norm=0.0 must be"),
    ],
)
def test_an_optimizer_that_cannot_learn_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}"):
        Learner(**values).configured([torch.nn.Parameter(torch.zeros(1))], 1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MisconfigurationException("Automatic gradient clipping is not supported"), "^trainer: A"),
        (
            RuntimeError("Early stopping conditioned on metric `val/x` which is not available."),
            "^callbacks.early_stopping: Early stopping",
        ),
        (RuntimeError("another"), None),
    ],
)
def test_what_lightning_refuses_is_one_sentence(error: Exception, words: str | None) -> None:
    class Stub:
        def __getattr__(self, _: str) -> Any:
            raise error

        def setup(self, _: str) -> None: ...

    stub: Any = Stub()
    with pytest.raises(UserError if words else RuntimeError, match=words or "another"):
        fit(stub, stub, stub)
