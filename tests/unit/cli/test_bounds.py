"""Numbers with which no training can be made are refused before one begins."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch.optim import Adam

from tests.configs.test_train_configs import composed
from w2l.cli.bounds import ABOVE_0, LEAST_AND_MOST, check_bounds, check_image_sizes
from w2l.cli.train import fit
from w2l.errors import UserError
from w2l.systems.optim import Learner


@pytest.mark.parametrize("key", [*LEAST_AND_MOST, *ABOVE_0])
def test_a_number_beyond_its_bounds_is_refused(key: str) -> None:
    cfg = OmegaConf.create({})
    least = LEAST_AND_MOST.get(key, (1, 0))[0]
    OmegaConf.update(cfg, key, least)
    check_bounds(cfg)
    OmegaConf.update(cfg, key, least - 1)
    with pytest.raises(UserError, match=f"^{key}={least - 1} must be "):
        check_bounds(cfg)


@pytest.mark.parametrize("group", ["data", "system.expert"])
def test_images_and_networks_are_of_one_size(group: str) -> None:
    check_image_sizes(composed("experiment=syncnet", "model.image_size=64"))
    other = composed("experiment=syncnet", f"{group}.image_size=95")
    with pytest.raises(UserError, match=f"{group}.image_size=95 is not model.image_size=96"):
        check_image_sizes(other)


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
