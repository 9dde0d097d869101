"""Loggers that need a word before they start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from w2l.errors import UserError


def wandb_logger(
    save_dir: str | Path, project: str = "w2l", name: str | None = None, offline: bool | None = None
) -> WandbLogger:
    """A WandbLogger; `offline=None` decides by WANDB_MODE, or by whether somebody is logged in."""
    mode = os.environ.get("WANDB_MODE")
    if offline is None:
        offline = mode == "offline" if mode else not wandb.login(prompt=False)
    # Lightning says so through the environment, which W&B has read by then.
    settings: dict[str, Any] = {"mode": "offline"} if offline else {}
    return WandbLogger(
        project=project, name=name, save_dir=str(save_dir), offline=offline, **settings
    )


def tensorboard_logger(save_dir: str | Path) -> TensorBoardLogger:
    """A TensorBoardLogger that writes to `<save_dir>/tensorboard`.

    Raises:
        UserError: tensorboard is not installed.
    """
    try:
        return TensorBoardLogger(str(save_dir), name=None, version="tensorboard")
    except ModuleNotFoundError as error:
        raise UserError("logger=tensorboard needs `pip install tensorboard`.") from error
