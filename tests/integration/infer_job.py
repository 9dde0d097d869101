"""One job of `infer.py` as a function call, with a narrow untrained generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tests.settings import settings_of
from tests.writing import save_network
from w2l.cli.infer import infer_one
from w2l.cli.infer_networks import Networks
from w2l.cli.keys.infer import Infer
from w2l.inference import SyncReport
from w2l.models import Generator


def narrow_generator(path: Path) -> Path:
    """A checkpoint of the smallest generator, always of the same weights."""
    torch.manual_seed(0)
    return save_network(Generator(width=0.125), "generator", path)


def settings(**given: Any) -> Infer:
    """Settings of `infer.py`: those given, else the defaults."""
    chosen = {k: str(v) if isinstance(v, Path) else v for k, v in given.items()}
    return settings_of(Infer, **{"device": "cpu", "judge": "none", **chosen})


def sync(networks: Networks, **given: Any) -> SyncReport | None:
    """Do one job in this process, without a word."""
    return infer_one(settings(**given), networks, Console(quiet=True))
