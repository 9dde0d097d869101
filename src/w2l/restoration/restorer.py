"""What every restorer takes and gives, and the kinds of published ones."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

UPSCALER_SIZE = 128  # px: of the crop for an upscaler that takes any, about what was generated
FACE_SIZE = 512  # px: that the published face restorers were trained at


class Restorer(Protocol):
    """Makes faces sharper; each on its own, whatever came before."""

    @property
    def label(self) -> str:
        """What it is and what it was made from, for the user to read and for the file's tags."""
        ...

    @property
    def generates(self) -> bool:
        """Whether it invents pixels by a network, so that its result is synthetic."""
        ...

    @property
    def size(self) -> int | None:
        """Side of the square crops that it takes, in pixels.

        None: any size, and then crops are cut from the picture without resampling.
        """
        ...

    @property
    def aligned(self) -> bool:
        """Whether crops are to be aligned as FFHQ's faces; else the face's box, squared."""
        ...

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Restore a batch.

        Args:
            faces: uint8 (B, H, W, 3) BGR.

        Returns:
            uint8 (B, kH, kW, 3) BGR, k = 1 but for upscalers.
        """
        ...


class Kind(NamedTuple):
    """How a published family of networks wants its pictures, RGB (B, 3, H, W)."""

    label: str
    low: float  # value of black
    high: float  # value of white
    aligned: bool


KINDS = {
    "gfpgan": Kind("GFPGAN", -1.0, 1.0, True),
    "codeformer": Kind("CodeFormer", -1.0, 1.0, True),
    "restoreformer": Kind("RestoreFormer", -1.0, 1.0, True),
    "esrgan": Kind("ESRGAN", 0.0, 1.0, False),
}


def to_network(faces: np.ndarray, kind: Kind) -> np.ndarray:
    """Pictures, uint8 (B, H, W, 3) BGR, as a network of this kind wants them, float32."""
    rgb = faces[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    return np.ascontiguousarray(rgb * ((kind.high - kind.low) / 255) + kind.low)


def from_network(output: np.ndarray, kind: Kind) -> np.ndarray:
    """The inverse of `to_network`, rounded and clipped."""
    levels = (output.astype(np.float32) - kind.low) * (255 / (kind.high - kind.low))
    bgr = np.clip(np.rint(levels), 0, 255).astype(np.uint8)[:, ::-1]
    return np.ascontiguousarray(bgr.transpose(0, 2, 3, 1))
