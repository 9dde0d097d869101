"""The W&B logger, offline where nobody is logged in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger


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
