"""Callbacks: one that asks its own run to stop, one that keeps it to one thread."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytorch_lightning as pl
import torch


class Stop(pl.Callback):
    """Sends SIGTERM to this process in the update before its optimizer steps."""

    def __init__(self, update: int) -> None:
        self.update = update
        self._seen = 0

    def on_train_batch_start(self, *_: Any) -> None:
        self._seen += 1
        if self._seen == self.update:
            os.kill(os.getpid(), signal.SIGTERM)


class OneThread(pl.Callback):
    """Sums are added up in one order."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
