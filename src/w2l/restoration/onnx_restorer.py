"""Published restorers as ONNX graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from w2l.errors import UserError
from w2l.models.onnx_graph import OnnxGraph
from w2l.restoration.restorer import (
    FACE_SIZE,
    KINDS,
    UPSCALER_SIZE,
    from_network,
    to_network,
)

PROBE = 64  # px: of the picture that shows an upscaler's factor


class OnnxRestorer:
    """GFPGAN, CodeFormer, RestoreFormer or (Real-)ESRGAN from an ONNX file.

    The kind is told by the graph: a number beside the picture is CodeFormer's fidelity, a larger
    picture as output is an upscaler's, and 512 px in and out is a face restorer's (GFPGAN's and
    RestoreFormer's graphs look alike and are used alike).

    Args:
        path: the file.
        kind: a name of `KINDS`; None: as told above.
        fidelity: CodeFormer's w in [0, 1]: 0 restores most, 1 stays nearest to what was given.
        device: "cpu", "cuda", "cuda:1", …

    Raises:
        UserError: the file is no such graph, or its kind cannot be told.
    """

    generates = True

    def __init__(
        self,
        path: str | Path,
        kind: str | None = None,
        fidelity: float = 0.5,
        device: str = "cpu",
    ) -> None:
        self._graph = OnnxGraph(path, device)
        self._fidelity = fidelity
        name = kind or self._told()
        self._kind = KINDS[name]
        self.aligned = self._kind.aligned
        self.label = f"{self._kind.label} ({Path(path).name})"
        height, width = self._graph.height, self._graph.width
        if height != width and None not in (height, width):
            raise UserError(f"{path} takes pictures of {width}×{height}, where a square is wanted.")
        self.size = height or width or (FACE_SIZE if self.aligned else UPSCALER_SIZE)

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Restore a batch, uint8 (B, size, size, 3) BGR."""
        output = self._graph(to_network(faces, self._kind), self._fidelity)
        if output.shape[1] != 3 or output.shape[2] != output.shape[3]:
            raise UserError(
                f"{self._graph.path} is no restorer: it gives {output.shape[1:]} where a picture "
                "of (3, height, width) is wanted."
            )
        return from_network(output, self._kind)

    def _told(self) -> str:
        graph = self._graph
        if len(graph.numbers) == 1:
            return "codeformer"
        if not graph.numbers:
            side = graph.height or graph.width or PROBE
            output = graph(np.zeros((1, 3, side, graph.width or side), np.float32))
            if output.shape[1] == 3 and output.shape[2] > side:
                return "esrgan"
            if output.shape[1] == 3 and output.shape[2] == side == FACE_SIZE:
                return "gfpgan"
        raise UserError(
            f"{graph.path}: which restorer it is cannot be told from the graph: name it, "
            f"restorer_kind={'|'.join(KINDS)}."
        )
