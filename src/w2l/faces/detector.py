"""What every face detector takes and gives, and how one is chosen by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from w2l.errors import UserError

DETECTORS = ("centerface", "s3fd", "boxes")


class Faces(NamedTuple):
    """The faces of one frame, in the detector's order (CenterFace and S3FD: best score first)."""

    boxes: np.ndarray  # (N, 4) float32: left, top, right, bottom in pixels of the frame
    scores: np.ndarray  # (N,) float32 in [0, 1]
    landmarks: np.ndarray | None = None  # (N, 5, 2) float32, x and y in pixels: the eye on the
    # picture's left, the other eye, nose, the mouth's left and right corners; None: not known

    @classmethod
    def of(cls, boxes: np.ndarray) -> Faces:
        """Faces that are certain, from boxes (N, 4) or one box (4,), those missing left out."""
        boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
        boxes = boxes[np.isfinite(boxes).all(axis=1)]
        return cls(boxes, np.ones(len(boxes), dtype=np.float32))

    @classmethod
    def none(cls) -> Faces:
        """No face at all."""
        return cls.of(np.empty((0, 4)))


class FaceDetector(Protocol):
    """Finds faces in frames; each frame on its own, whatever came before."""

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        """Faces of each frame (H, W, 3) uint8 BGR; the frames' sizes may differ."""
        ...


@runtime_checkable
class FacesByIndex(Protocol):
    """A source of faces that is asked by frame number instead of being shown the frames."""

    def at(self, index: int) -> Faces:
        """Faces of frame `index`, counted from the first frame that is passed on."""
        ...


def build_detector(
    name: str = "centerface",
    *,
    device: str = "cpu",
    weights: str | Path | None = None,
    box: Sequence[float] | None = None,
    published: bool = False,
) -> FaceDetector:
    """Make a detector.

    Args:
        name: `centerface` (embedded), `s3fd` (needs `weights`), or `boxes` (needs `box`, or
            `weights`: a file of boxes).
        device: for the network, such as "cpu" or "cuda".
        weights: S3FD's weights file, or the file of boxes.
        box: [top, bottom, left, right], the same in each frame; no detector is needed then.
        published: show S3FD the frames as the published inference does (see `S3FD`).

    Raises:
        UserError: an unknown name, what it needs is missing, or weights that it does not take.
    """
    # Imported here, so that nobody waits for the libraries of a detector that is not used.
    if box is not None:
        from w2l.faces.fixed import FixedBox

        return FixedBox(box)
    if name == "centerface":
        if weights is not None:
            raise UserError(
                f"detector_weights={weights} plays no part in detector=centerface, which brings "
                "its own: choose detector=s3fd or detector=boxes, or leave it out."
            )
        from w2l.faces.centerface import CenterFace

        return CenterFace(device)
    if name == "s3fd":
        if weights is None:
            raise UserError(
                "detector=s3fd needs its weights file, s3fd-619a316812.pth: name its path or "
                "choose detector=centerface, which needs none."
            )
        from w2l.faces.s3fd import S3FD

        return S3FD(weights, device, published=published)
    if name == "boxes":
        if weights is None:
            raise UserError("detector=boxes needs a file of boxes (.json or .npz), or box=.")
        from w2l.faces.fixed import BoxFile

        return BoxFile(weights)
    raise UserError(f"detector={name} is not known: choose one of {', '.join(DETECTORS)}.")
