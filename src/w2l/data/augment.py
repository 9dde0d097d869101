"""Changes to a window that keep lips and sound in sync."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from w2l.audio.mel import MAX_VALUE


@dataclass
class Augment:
    """Drawn once per window, the same for its five frames.

    Attributes:
        gain: brightness is multiplied by 1 ± gain per channel.
        offset: then shifted by ± offset (images lie in [0, 1]).
        shift: the crop moves by up to so many pixels.
        flip: mirror with probability ½.
        mel_level: the mel is shifted by ± this (it lies in [-4, 4]; 0.4 is 5 dB).
    """

    gain: float = 0.2
    offset: float = 0.1
    shift: int = 3
    flip: bool = True
    mel_level: float = 0.4

    def __call__(
        self, faces: Tensor, mels: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Faces (B, 3, T, S, S) in [0, 1] and mels (B, 1, 80, 16) → new ones of the same shapes."""
        n = len(faces)

        def draw(*shape: int) -> Tensor:
            return torch.from_numpy(rng.uniform(-1, 1, shape)).to(faces.dtype)

        faces = faces * (1 + self.gain * draw(n, 3, 1, 1, 1)) + self.offset * draw(n, 1, 1, 1, 1)
        faces = faces.clamp_(0, 1)
        moved = []
        for window in faces:
            dy, dx = (int(d) for d in rng.integers(-self.shift, self.shift + 1, 2))
            window = torch.roll(window, (dy, dx), dims=(2, 3))
            moved.append(window.flip(3) if self.flip and rng.random() < 0.5 else window)
        mels = (mels + self.mel_level * draw(n, 1, 1, 1)).clamp(-MAX_VALUE, MAX_VALUE)
        return torch.stack(moved), mels
