"""With what a run was made: versions, device, commit, command."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml

from w2l import __version__
from w2l.cli.keys.train import Train
from w2l.files import write_text
from w2l.schema import as_dict

PACKAGES = ("pytorch-lightning", "numpy", "opencv-python", "av")
SOURCE = Path(__file__).resolve().parent


def git(*arguments: str) -> str | None:
    """What git says of the checkout that this code lies in; None where it is in none."""
    command = ["git", "-C", str(SOURCE), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def environment() -> dict[str, Any]:
    """Versions, device, commit and command line, as plain values."""
    # A checkout of something else around an installed package says nothing of it.
    is_ours = git("ls-files", "--error-unmatch", __file__) is not None
    cuda = torch.cuda.is_available()
    return {
        "w2l": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": str(torch.__version__),  # with its build, which its package may not name
        **{name: version(name) for name in PACKAGES},
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "devices": torch.cuda.device_count() if cuda else 1,
        "threads": torch.get_num_threads(),
        "commit": git("rev-parse", "HEAD") if is_ours else None,
        "uncommitted": bool(git("status", "--porcelain")) if is_ours else None,
        "command": sys.argv,
    }


def record(settings: Train, trainer: pl.Trainer, run_dir: Path) -> None:
    """Write config.yaml, environment.json and uncommitted.diff, and tell the loggers.

    Only the first process does.
    """
    if not trainer.is_global_zero:
        return
    config = as_dict(settings)
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    write_text(run_dir / "config.yaml", text)
    found = environment()
    write_text(run_dir / "environment.json", json.dumps(found, indent=1) + "\n")
    if found["uncommitted"] and (changes := git("diff", "HEAD")):
        write_text(run_dir / "uncommitted.diff", changes + "\n")
    for logger in trainer.loggers:
        logger.log_hyperparams({"config": config, "environment": found})
