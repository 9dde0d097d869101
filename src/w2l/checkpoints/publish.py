"""Our checkpoints for others: in the published format, or as safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from w2l.checkpoints.archive import METADATA
from w2l.checkpoints.load import Checkpoint, read, refuse_not_finite
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
    checkpoint = trained(path_in, network)
    content: dict[str, Any] = {
        "state_dict": checkpoint.state_dict,
        "optimizer": None,
        "global_step": checkpoint.global_step,
        "global_epoch": checkpoint.global_epoch,
    }
    if checkpoint.target is not None or checkpoint.config != outline(checkpoint.network, {})[1]:
        content["config"] = checkpoint.config
    content |= _own_class(checkpoint)
    content |= _learnt_from(checkpoint)
    # Through a file object, since torch puts a path's name, here a random one, into the file.
    with atomic_path(path_out) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def export_safetensors(
    path_in: str | Path, path_out: str | Path, network: str | None = None, *, half: bool = False
) -> None:
    """Write the weights as safetensors; what `export` states beside them goes into the metadata.

    Args:
        path_in, path_out, network: as for `export`.
        half: convolutions' weights are stored as float16, half the size; they are float32 again
            once they are loaded.

    Raises:
        UserError: as `export`.
    """
    checkpoint = trained(path_in, network)
    about: dict[str, Any] = (
        {
            "network": checkpoint.network,
            "config": checkpoint.config,
            "global_step": checkpoint.global_step,
            "global_epoch": checkpoint.global_epoch,
        }
        | _own_class(checkpoint)
        | _learnt_from(checkpoint)
    )
    # Metadata are strings; "format" is what other libraries look for. Each tensor with memory of
    # its own: the format knows no shared one.
    metadata = {"format": "pt", METADATA: json.dumps(about)}
    state = {name: tensor.clone().contiguous() for name, tensor in checkpoint.state_dict.items()}
    if half:  # norms' statistics are few, and may leave float16's range
        state = {name: t.half() if t.dim() > 1 else t for name, t in state.items()}
    with atomic_path(path_out) as temporary:
        # Not save_file, whose files nobody but their owner can read.
        temporary.write_bytes(safetensors.torch.save(state, metadata))


def trained(path: str | Path, network: str | None) -> Checkpoint:
    """The network to write.

    Raises:
        UserError: the file holds none that we train, or not the one that is asked for.
    """
    checkpoint = read(path, network)
    if checkpoint.network not in TRAINED or checkpoint.network != (network or checkpoint.network):
        wanted = f"{label(network)}" if network else "a generator, an expert or a discriminator"
        raise UserError(f"{path} holds {label(checkpoint.network)}, not {wanted}.")
    refuse_not_finite(path, checkpoint.state_dict)
    return checkpoint


def _own_class(checkpoint: Checkpoint) -> dict[str, Any]:
    """What names a class that is not ours."""
    if checkpoint.target is None:
        return {}
    return {"network": checkpoint.network, "target": checkpoint.target}


def _learnt_from(checkpoint: Checkpoint) -> dict[str, Any]:
    """What is known of the faces and voices that it was trained on."""
    pads = None if checkpoint.pads is None else list(checkpoint.pads)
    known = {"speakers": checkpoint.speakers, "pads": pads}
    return {key: value for key, value in known.items() if value is not None}
