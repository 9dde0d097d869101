"""The W&B logger, offline where nobody is logged in."""

from __future__ import annotations

import os
from pathlib import Path

import wandb
from pytorch_lightning.loggers import WandbLogger


def wandb_logger(
    save_dir: str | Path, project: str = "w2l", name: str | None = None, offline: bool | None = None
) -> WandbLogger:
    """A WandbLogger; `offline=None` decides by whether an API key is known (or WANDB_MODE)."""
    if offline is None:
        mode = os.environ.get("WANDB_MODE")
        offline = mode == "offline" if mode else not wandb.api.api_key
    return WandbLogger(project=project, name=name, save_dir=str(save_dir), offline=offline)
