"""A restorer, or a parser, from what a user names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from w2l.errors import UserError
from w2l.models import BiSeNet
from w2l.models.bisenet import CLASSES
from w2l.models.onnx_graph import OnnxGraph
from w2l.restoration.parsing import FaceParser, Scores
from w2l.restoration.restorer import KINDS, OnnxRestorer, Restorer, Sharpen, SpandrelRestorer

CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors")


def build_restorer(
    path: Path | None,
    kind: str | None = None,
    fidelity: float = 0.5,
    device: str = "cpu",
) -> Restorer:
    """A restorer of a file's network; without a file one that sharpens.

    Args:
        path: .onnx, or a checkpoint for spandrel; None: `Sharpen`.
        kind: of an ONNX graph, a name of `KINDS`; None: told by the graph.
        fidelity: CodeFormer's, in [0, 1].
        device: for the network.

    Raises:
        UserError: no such file or kind, or what the network's loader says.
    """
    if kind is not None and kind not in KINDS:
        raise UserError(f"restorer_kind={kind} is not known: choose one of {', '.join(KINDS)}.")
    if path is None:
        return Sharpen()
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

    def scores(pictures: np.ndarray) -> np.ndarray:
        found = graph(pictures)
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
    def scores(pictures: np.ndarray) -> np.ndarray:
        found: torch.Tensor = network(torch.from_numpy(pictures).to(device))
        return found.cpu().numpy()

    return scores
