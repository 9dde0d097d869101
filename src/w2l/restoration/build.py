"""A restorer, or a parser, from what a user names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from w2l.components import Restorer
from w2l.errors import UserError, either
from w2l.models import BiSeNet
from w2l.models.bisenet import CLASSES
from w2l.models.onnx_graph import OnnxGraph
from w2l.restoration.parsing import FaceParser, Scores
from w2l.restoration.restorer import KINDS, OnnxRestorer, SpandrelRestorer
from w2l.weights.catalog import lookup, registry

CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors")


def network_restorer(
    path: Path,
    kind: str | None = None,
    fidelity: float = 0.5,
    device: str = "cpu",
) -> Restorer:
    """A restorer of a file's network.

    Args:
        path: .onnx, or a checkpoint for spandrel; or the name of published weights.
        kind: of an ONNX graph, a name of `KINDS`; None: told by the graph.
        fidelity: CodeFormer's, in [0, 1]: 0 restores most, 1 stays nearest to what was given.
        device: for the network.

    Raises:
        UserError: no such file or kind, or what the network's loader says.
    """
    if kind is not None and kind not in KINDS:
        raise UserError(f"restorer.kind={kind} is not available: choose {either([*KINDS])}.")
    if not 0 <= fidelity <= 1:
        raise UserError(f"restorer.fidelity={fidelity} must be a number from 0 to 1.")
    if not path.suffix and not path.is_file():
        lookup(str(path), registry())  # says which names there are
    if path.suffix.lower() == ".onnx":
        return OnnxRestorer(path, kind, fidelity, device)
    if path.suffix.lower() in CHECKPOINTS:
        return SpandrelRestorer(path, fidelity, device)
    raise UserError(
        f"restorer={path}: its ending says neither an ONNX graph (.onnx) nor a checkpoint "
        f"({', '.join(CHECKPOINTS)})."
    )


def build_parser(network: BiSeNet | Path, device: str = "cpu") -> FaceParser:
    """A parser of the published network, or of an ONNX graph with its inputs and outputs.

    Raises:
        UserError: the graph cannot be read, or has not 19 classes.
    """
    if isinstance(network, BiSeNet):
        return FaceParser(_by_torch(network, device))
    graph = OnnxGraph(network, device)

    def scores(images: np.ndarray) -> np.ndarray:
        found = graph(images)
        if found.shape[1] != CLASSES:
            raise UserError(
                f"{network} is no parser of faces: it gives {found.shape[1]} classes in place "
                f"of {CLASSES}."
            )
        return found

    return FaceParser(scores)


def _by_torch(network: BiSeNet, device: str) -> Scores:
    network = network.eval().to(device)

    @torch.inference_mode()
    def scores(images: np.ndarray) -> np.ndarray:
        found: torch.Tensor = network(torch.from_numpy(images).to(device))
        return found.cpu().numpy()

    return scores
