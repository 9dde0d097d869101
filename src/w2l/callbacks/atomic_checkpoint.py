"""Checkpoints appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from w2l.files import atomic_path


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and moves the file into place: a kill leaves the older one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())  # or a power cut leaves the new name on an empty file
