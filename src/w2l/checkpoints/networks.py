"""Which network a state dict belongs to, and with which arguments it is built."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from w2l.errors import UserError
from w2l.models import (
    BiSeNet,
    Expert,
    FidInception,
    Generator,
    QualityDiscriminator,
    SyncNetV2,
)
from w2l.trust import is_trusted

Shapes = dict[str, tuple[int, ...]]
Pads = tuple[int, int, int, int]


class _Kind(NamedTuple):
    """How to know a network: an entry that no other has, and its size on axis 1 (None: any)."""

    label: str
    entry: str
    in_channels: int | None = None


KINDS = {
    "generator": _Kind("a generator", "face_encoder_blocks.0.0.conv_block.0.weight", 6),
    "expert": _Kind("an expert (lip-sync SyncNet)", "face_encoder.0.conv_block.0.weight", 15),
    "discriminator": _Kind(
        "a quality discriminator", "face_encoder_blocks.0.0.conv_block.0.weight", 3
    ),
    "syncnet_v2": _Kind("SyncNet v2 (the LSE metric)", "netcnnlip.0.weight", 3),
    "s3fd": _Kind("the S3FD detector of face_alignment", "conv3_3_norm_mbox_conf.weight"),
    "sfd_face": _Kind("the S3FD detector of SyncNet", "L2Norm3_3.weight"),
    "retinaface": _Kind("the RetinaFace detector", "BboxHead.0.conv1x1.weight"),
    "gfpgan": _Kind("GFPGAN", "stylegan_decoder.constant_input.weight"),
    "codeformer": _Kind("CodeFormer", "position_emb"),
    "realesrgan": _Kind("Real-ESRGAN", "body.0.rdb1.conv1.weight"),
    "fid_inception": _Kind("the Inception network of FID", "Mixed_7c.branch3x3dbl_3b.conv.weight"),
    "bisenet": _Kind("the BiSeNet face parser", "cp.resnet.conv1.weight"),
}
BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "generator": Generator,
    "expert": Expert,
    "discriminator": QualityDiscriminator,
    "syncnet_v2": SyncNetV2,
    "bisenet": BiSeNet,
    "fid_inception": FidInception,
}
TRAINED = ("generator", "expert", "discriminator")
"""The networks that we train: built from a width and an image size, and part of our files."""

IMAGE_SIZES = (96, 128, 192, 256, 384, 512, 48, 64, 288)
"""Tried in this order where a file does not state its size.

192 and 288 px generators have the same entries (a step by 3 looks like a step by 2), so a 288 px
one needs its size stated in the file, as our exports do.
"""

# Other arguments that files of others were made with, tried after the published ones.
VARIANTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "generator": ({}, {"third_stage_blocks": 1}),  # wav2lip256.pth
}


def identify(state: Mapping[str, Tensor]) -> str:
    """The network's name in `KINDS`, or "unknown"."""
    for name, kind in KINDS.items():
        entry = state.get(kind.entry)
        if entry is not None and kind.in_channels in {None, *entry.shape[1:2]}:
            return name
    return "unknown"


def label(network: str) -> str:
    """The network's name within a sentence."""
    return KINDS[network].label if network in KINDS else "no network that is known here"


def outline(network: str, config: Mapping[str, Any]) -> tuple[Shapes, dict[str, Any]]:
    """Entries with shapes, and the full configuration, of a network that is not really built."""
    with torch.device("meta"):
        module = BUILDERS[network](**config)
    shapes = {name: tuple(entry.shape) for name, entry in module.state_dict().items()}
    return shapes, dict(cast(dict[str, Any], module.config))


def infer_config(network: str, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Constructor arguments under which the network has these entries.

    Where none fit, those of the published size at this width, so that a strict load can tell
    what is wrong.
    """
    if network not in TRAINED:
        return {}
    channels = max((len(t) for name, t in state.items() if name.endswith(".bias")), default=512)
    found = {name: tuple(entry.shape) for name, entry in state.items()}
    for variant in VARIANTS.get(network, ({},)):
        for image_size in IMAGE_SIZES:
            chosen = {"width": channels / 512, "image_size": image_size, **variant}
            shapes, config = outline(network, chosen)
            if shapes == found:
                return config
    return outline(network, {"width": channels / 512})[1]


def describe(module: nn.Module) -> dict[str, Any]:
    """What a checkpoint states of a network so that it can be built again: class and arguments."""
    kind = type(module)
    return {"target": f"{kind.__module__}.{kind.__qualname__}", "config": dict(module.config)}  # type: ignore[arg-type]


def own_class(target: Any) -> str | None:
    """The stated class of a network, where it is none of those above."""
    ours = {f"{kind.__module__}.{kind.__qualname__}" for kind in cast(Any, BUILDERS).values()}
    return target if isinstance(target, str) and target not in ours else None


def build_own(target: str, config: Mapping[str, Any]) -> nn.Module:
    """Build a network of a class that is not in the table above.

    Args:
        target: its full name, as `mygen.TinyUNet`.
        config: its constructor's arguments.

    Raises:
        UserError: its package is not trusted or cannot be imported, there is no such class, or it
            does not take these arguments.
    """
    module, _, name = target.rpartition(".")
    package = target.partition(".")[0]
    if not is_trusted(target):
        raise UserError(
            f"it is a {target}, which runs code from outside w2l: trust={package} allows it."
        )
    try:
        kind = getattr(importlib.import_module(module), name)
    except (AttributeError, ImportError, ValueError) as error:
        raise UserError(
            f"it is a {target}, which cannot be imported ({error}): put the folder that holds "
            f"{package} on PYTHONPATH."
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise UserError(f"it names {target}, which is no network.")
    try:
        return kind(**config)
    except Exception as error:  # somebody else's constructor may raise anything
        arguments = ", ".join(f"{name}={value!r}" for name, value in config.items())
        raise UserError(
            f"{target}({arguments}) cannot be built ({error}): its .config must be what its "
            "constructor takes."
        ) from error


def stated_config(config: Any, *, numbers_only: bool = True) -> dict[str, Any]:
    """A stated configuration, if it is names with numbers, or with any values; else nothing."""
    if not isinstance(config, Mapping):
        return {}
    kinds: Any = int | float if numbers_only else object
    valid = all(isinstance(k, str) and isinstance(v, kinds) for k, v in config.items())
    return dict(config) if valid else {}


def stated_pads(value: Any) -> Pads | None:
    """Four whole numbers; else nothing."""
    if not isinstance(value, list | tuple) or [type(each) for each in value] != [int] * 4:
        return None
    return tuple(value)
