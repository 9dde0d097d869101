"""`resume=…`: which checkpoint a run goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl

from w2l.checkpoints import archive
from w2l.checkpoints.states import check_whole, newest_state
from w2l.errors import UserError
from w2l.paths import user_path


def find_state(resume: str | None, run_dir: Path, warn: Callable[[str], None]) -> Path | None:
    """The checkpoint that `resume` means.

    Args:
        resume: null, a file, a run's folder (its newest readable checkpoint), or "auto" (that of
            `run_dir`, and a new start where there is none). `last.ckpt` is the newest one too, so
            where that file is damaged the one before is taken.
        run_dir: of this run.
        warn: gets a sentence for each damaged checkpoint that is passed over.

    Raises:
        UserError: no such file, nothing to go on from, or nothing that can be read.
    """
    if resume is None:
        return None
    if resume == "auto":
        return newest_state(run_dir, warn)
    path = user_path(resume)
    if path.is_dir():
        found = newest_state(path, warn)
        if found is None:
            raise UserError(f"resume={resume}: there is no checkpoint in this folder.")
        return found
    if not path.is_file():
        raise UserError(f"resume={resume}: there is no such file.")
    try:
        check_whole(path)
    except UserError:
        if path.name != "last.ckpt":
            raise
        return newest_state(path.parent, warn)
    return path


def check_state(checkpoint: Path, system: pl.LightningModule) -> None:
    """Refuse to go on from a file that is no state of this training.

    Raises:
        UserError: it is damaged, no training checkpoint, or of other networks.
    """
    content = archive.load(checkpoint)
    if not {"state_dict", "optimizer_states"} <= content.keys():
        raise UserError(
            f"resume={checkpoint} holds a network but no state of a training: "
            "name a file from the checkpoints folder of a run."
        )
    saved = {name: value.shape for name, value in content["state_dict"].items()}
    own = {name: value.shape for name, value in system.state_dict().items()}
    trained = {name for name, value in system.named_parameters() if value.requires_grad}
    if not (saved.items() <= own.items() and trained <= saved.keys()):
        raise UserError(
            f"resume={checkpoint} was written by another experiment or with other model settings: "
            "repeat those of its run (config.yaml in its folder)."
        )
