"""Where a training starts: from the weights of another run, or where a run stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn

from w2l.checkpoints import load_discriminator, load_expert, load_generator, read, resolve
from w2l.data.clips import AnyClip, BadClipError
from w2l.errors import UserError

_LOADERS: dict[str, Callable[[Path], Any]] = {
    "generator": load_generator,
    "expert": load_expert,
    "discriminator": load_discriminator,
}


def initialise(system: pl.LightningModule, source: str) -> list[str]:
    """Give the networks that will be trained the weights of a file; optimizers start anew.

    Args:
        system: its generator, or its expert where that is what learns; its discriminator too where
            the file has one.
        source: a checkpoint of any packing, or a registry name.

    Returns:
        The names of the networks that were given weights.

    Raises:
        UserError: no such file or name, another network, or one of another size.
    """
    path = resolve(source)
    networks = {n: m for n, m in system.named_children() if n in _LOADERS and _learns(m)}
    given = []
    for name, network in networks.items():
        if name == "discriminator" and read(path, name).network != name:
            continue  # a plain generator's file: the discriminator starts anew
        loaded = _LOADERS[name](path)
        _check_same_make(source, name, loaded.config, network.config)
        network.load_state_dict(loaded.state_dict())
        given.append(name)
    return given


def count_speakers(clips: Sequence[AnyClip], enough: int) -> int:
    """How many speakers the clips are of; looks no further than for `enough`."""
    speakers: set[str] = set()
    for i in range(len(clips)):
        with suppress(BadClipError):  # counted where it is drawn
            speakers.add(clips[i].name.partition("/")[0])
        if len(speakers) == enough:
            break
    return len(speakers)


def _learns(network: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in network.parameters())


def _check_same_make(source: str, name: str, given: Any, own: Any) -> None:
    # last_relu has no weights: a published expert may go on without its last ReLU.
    other = {k: v for k, v in given.items() if k in {"width", "image_size"} and own.get(k) != v}
    if other:
        has = ", ".join(f"{key} {value}" for key, value in other.items())
        wants = ", ".join(f"{key} {own[key]}" for key in other)
        remedy = " ".join(f"model.{key}={value}" for key, value in other.items())
        raise UserError(
            f"init_from={source}: its {name} has {has}, this run's {wants}: set {remedy}."
        )
