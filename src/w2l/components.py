"""What a component must offer to be used in place of ours: a Protocol each, one screen each.

Components are found by `_target_` in a config or by name in a checkpoint, never in a table here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor


class LipGenerator(Protocol):
    """A network that makes faces say speech; an `nn.Module`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """All arguments of its constructor, plain values: a checkpoint builds it again by them.

        Two of them are `image_size`, the side S of its faces in pixels, and `lead_frames`, by how
        many frames (of 1/25 s) the sound of a frame starts before it.
        """
        ...

    def __call__(self, audio: Tensor, face: Tensor) -> Tensor:
        """Generate faces.

        Args:
            audio: log-mel windows in [-4, 4], float32 (B, 1, 80, 16).
            face: BGR in [0, 1], float32 (B, 6, S, S): the face with its lower half zeroed, then a
                reference of the same person.

        Returns:
            BGR in [0, 1], (B, 3, S, S).
        """
        ...
