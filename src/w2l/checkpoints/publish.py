"""Our checkpoints in the published format, which the original code reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from w2l.checkpoints.finite import refuse_not_finite
from w2l.checkpoints.load import read
from w2l.checkpoints.networks import TRAINED, label, outline
from w2l.errors import UserError
from w2l.files import atomic_path


def export(path_in: str | Path, path_out: str | Path, network: str | None = None) -> None:
    """Write the published format: `state_dict`, `optimizer`, `global_step`, `global_epoch`.

    The optimizer is None, which the published code takes for "start anew". A network that is not
    of the published size gets its constructor arguments under `config`, which others ignore.

    Args:
        path_in: a file of any packing.
        path_out: the file to write.
        network: which network of a training's file; by default what was trained.

    Raises:
        UserError: it cannot be read, has no published format, or cannot be written.
    """
    checkpoint = read(path_in, network)
    if checkpoint.network not in TRAINED or checkpoint.network != (network or checkpoint.network):
        wanted = f"{label(network)}" if network else "a generator, an expert or a discriminator"
        raise UserError(f"{path_in} holds {label(checkpoint.network)}, not {wanted}.")
    refuse_not_finite(path_in, checkpoint.state_dict)
    content: dict[str, Any] = {
        "state_dict": checkpoint.state_dict,
        "optimizer": None,
        "global_step": checkpoint.global_step,
        "global_epoch": checkpoint.global_epoch,
    }
    if checkpoint.config != outline(checkpoint.network, {})[1]:
        content["config"] = checkpoint.config
    if checkpoint.speakers is not None:
        content["speakers"] = checkpoint.speakers
    # Through a file object, since torch puts a path's name, here a random one, into the file.
    with atomic_path(path_out) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
