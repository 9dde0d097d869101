"""Whose face it is: embeddings of an ArcFace-like network, and how alike two faces are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from w2l.errors import UserError
from w2l.models.onnx_graph import OnnxGraph

SIZE = 112  # px, side of the aligned face
# Where ArcFace's faces have eyes, nose and mouth corners (InsightFace's template).
ARCFACE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)


class FaceIdentity:
    """Compares faces by the cosine of their embeddings.

    Faces are aligned and scaled as InsightFace does it: five points moved onto `ARCFACE` by the
    similarity of least squares, 112 px, bilinear, black beyond the image; RGB, less 127.5, over
    127.5.

    Args:
        path: ONNX file of a network from such a face, in any layout of the image, to one row of
            numbers.
        device: "cpu", or a CUDA device, which is used where this onnxruntime was built for it.

    Raises:
        UserError: no onnxruntime, or the file holds no such network.
    """

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        self._graph = OnnxGraph(path, device)
        graph = self._graph
        if any(side not in (SIZE, None) for side in (graph.height, graph.width)):
            raise UserError(
                f"identity={path} takes images of {graph.width}x{graph.height}: give an "
                f"ArcFace-like network, which takes {SIZE}x{SIZE}."
            )
        # One face now, so that a network without embeddings is told of before anything is scored.
        if graph(np.zeros((1, 3, SIZE, SIZE), np.float32), axes=2).shape[1] < 2:
            raise UserError(
                f"identity={path} gives one number for a face: give an ArcFace-like network, which "
                "gives an embedding."
            )

    def __call__(self, frames: list[np.ndarray], points: list[np.ndarray]) -> np.ndarray:
        """Embeddings (N, D) float32 of length 1; NaN where a network gives none.

        Args:
            frames: N of (H, W, 3) uint8 BGR.
            points: N of (5, 2): eyes, nose, mouth corners, in pixels of the frame.
        """
        faces = np.stack([align(*each) for each in zip(frames, points, strict=True)])
        images = (faces[..., ::-1].astype(np.float32) - 127.5) / 127.5
        found = self._graph(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), axes=2)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return np.divide(found, length, out=np.full_like(found, np.nan), where=length > 0)

    def cosine(self, frames: list[np.ndarray], points: list[np.ndarray]) -> float:
        """Cosine in [-1, 1] of the faces of two frames; 1 where they have one embedding."""
        first, second = self(frames, points)
        return float(first @ second)


def align(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face (112, 112, 3) whose points (5, 2) lie as near as can be to `ARCFACE`.

    x' = a·x − b·y + c and y' = b·x + a·y + d are linear in a, b, c, d, so the similarity of least
    squares (Umeyama's) needs no more than `lstsq`.
    """
    x, y = points.astype(np.float64).T
    one, zero = np.ones(len(x)), np.zeros(len(x))
    rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, c, d = np.linalg.lstsq(rows, ARCFACE.T.reshape(-1), rcond=None)[0]
    return cv2.warpAffine(frame, np.array([[a, -b, c], [b, a, d]]), (SIZE, SIZE))
