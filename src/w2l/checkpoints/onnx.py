"""Generators and experts as ONNX files, for runtimes other than torch."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from w2l import __version__
from w2l.checkpoints.load import load_expert, load_generator, read
from w2l.checkpoints.networks import Pads, label, stated_pads
from w2l.errors import UserError
from w2l.files import atomic_path, sha256
from w2l.models.onnx_size import check_size

OPSET = 18
PREFIX = "w2l."  # of the names of our metadata


def export_onnx(
    path_in: str | Path,
    path_out: str | Path,
    network: str | None = None,
    *,
    lower_half: bool = False,
) -> None:
    """Write a generator or an expert, float32, opset 18, with any batch size.

    Inputs are `audio` and `face` as the network's forward takes them, without a time axis. The
    generator gives `frame`, (batch, 3, S, S), the expert `audio_embedding` and `face_embedding`.
    The metadata holds `w2l.version`, `w2l.network`, the constructor's arguments (`w2l.image_size`,
    `w2l.lead_frames`, …), a generator's `w2l.pads` and `w2l.sha256` of the checkpoint.

    Args:
        path_in: a checkpoint of any packing.
        path_out: the file to write.
        network: which network of a training's file; by default what was trained.
        lower_half: give only what `lower_half()` of the generator does, where it has that.

    Raises:
        UserError: it cannot be read, holds another network, the extra `onnx` is not installed, or
            it cannot be written.
    """
    onnx = onnx_package()
    path_in = Path(path_in)
    checkpoint = read(path_in, network)
    found = checkpoint.network
    if found not in {"generator", "expert"} or found != (network or found):
        wanted = (
            label(network) if network in {"generator", "expert"} else "a generator or an expert"
        )
        raise UserError(f"{path_in} holds {label(found)}, and ONNX takes {wanted}.")
    module: Any
    if found == "generator":
        module = load_generator(path_in)
        if checkpoint.target is None:
            module = module.folded()
        if lower_half and hasattr(module, "lower_half"):
            module = module.lower_half()
        size = int(module.config["image_size"])
        face, outputs = torch.rand(2, 6, size, size), ["frame"]
    else:
        module = load_expert(path_in)
        size = int(module.config["image_size"])
        face, outputs = torch.rand(2, 15, size // 2, size), ["audio_embedding", "face_embedding"]
    program = _program(module, (torch.randn(2, 1, 80, 16), face), outputs)
    model = program.model_proto
    about = {"version": __version__, "network": found, "sha256": sha256(path_in)}
    if checkpoint.pads is not None:
        about["pads"] = ",".join(map(str, checkpoint.pads))
    onnx.helper.set_model_props(
        model, {PREFIX + key: str(value) for key, value in (about | module.config).items()}
    )
    with atomic_path(path_out) as temporary:
        onnx.save(model, temporary)


class Inputs(NamedTuple):
    """What a generator's graph calls its inputs, and how many faces it takes (None: any)."""

    audio: str = "audio"
    face: str = "face"
    batch: int | None = None


def onnx_config(path: str | Path) -> tuple[dict[str, int], Pads | None]:
    """A generator's image size, lead frames and pads, out of the metadata of its ONNX file.

    Of a file of others, which has none, out of the shapes of its inputs.

    Raises:
        UserError: the file is no ONNX file, or no generator.
    """
    model = _graph(path)
    found = {entry.key: entry.value for entry in model.metadata_props}
    if f"{PREFIX}network" not in found:
        size = _by_shapes(path, model)[1]
        return {"image_size": size, "lead_frames": 0}, None
    if found.get(f"{PREFIX}network") != "generator":
        raise UserError(
            f"{path} is not a generator that `python -m w2l.checkpoints CHECKPOINT {path}` wrote."
        )
    names = ("image_size", "lead_frames")
    pads = found.get(f"{PREFIX}pads")
    try:
        return (
            {name: int(found[PREFIX + name]) for name in names},
            None if pads is None else stated_pads([int(each) for each in pads.split(",")]),
        )
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{path} does not say how its generator is made ({', '.join(names)}): export it again."
        ) from error


def onnx_inputs(path: str | Path) -> Inputs:
    """The inputs of a generator's ONNX file; those of other people's are told by their shapes.

    Raises:
        UserError: it is no generator.
    """
    model = _graph(path)
    if any(entry.key == f"{PREFIX}network" for entry in model.metadata_props):
        return Inputs()
    return _by_shapes(path, model)[0]


def _by_shapes(path: str | Path, model: Any) -> tuple[Inputs, int]:
    """The inputs of somebody's generator, (B, 1, 80, 16) and (B, 6, S, S), and S."""
    weights = {each.name for each in model.graph.initializer}
    sides = {
        each.name: [
            side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None
            for side in each.type.tensor_type.shape.dim
        ]
        for each in model.graph.input
        if each.name not in weights
    }
    audio = [name for name, shape in sides.items() if shape[1:] == [1, 80, 16]]
    face = [
        name
        for name, shape in sides.items()
        if len(shape) == 4 and shape[1] == 6 and shape[2] is not None and shape[2] == shape[3]
    ]
    if len(sides) != 2 or len(audio) != 1 or len(face) != 1:
        given = ", ".join(f"{name} {[side or '?' for side in s]}" for name, s in sides.items())
        raise UserError(
            f"{path} is no generator that can be used: it takes {given or 'nothing'}, and log-mel "
            "windows of [?, 1, 80, 16] and faces of [?, 6, S, S] are wanted."
        )
    batches = {shape[0] for shape in sides.values()} - {None}
    batch = batches.pop() if len(batches) == 1 else None
    return Inputs(audio[0], face[0], batch), int(sides[face[0]][2])  # type: ignore[arg-type]


def _graph(path: str | Path) -> Any:
    """The graph without its weights.

    Raises:
        UserError: it cannot be read.
    """
    onnx = onnx_package()
    check_size(Path(path))
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, and whatever it says of a damaged file
        raise UserError(f"{path} is no ONNX file, or damaged: export it again.") from error


def onnx_package():  # type: ignore[no-untyped-def]
    """The package `onnx`, where `onnxscript` is there too.

    Raises:
        UserError: it is not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"ONNX needs a package that is not installed ({error.name}): pip install 'w2l[onnx]'."
        ) from error
    return onnx


def _program(  # type: ignore[no-untyped-def]
    module: nn.Module, example: tuple[torch.Tensor, torch.Tensor], outputs: list[str]
):
    """The network in ONNX's words; what the exporter says on the way is kept from the user."""
    batch = torch.export.Dim("batch")
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it misses torchvision, of which nothing is used
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                module,
                example,
                dynamo=True,
                opset_version=OPSET,
                input_names=["audio", "face"],
                output_names=outputs,
                dynamic_shapes={"audio": {0: batch}, "face": {0: batch}},
                verbose=False,
            )
    finally:
        logger.setLevel(level)
