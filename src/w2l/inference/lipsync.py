"""`LipSync`: face crops and speech in, the same faces saying it out. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import numpy as np
import torch

from w2l.errors import UserError
from w2l.models import Generator, masked_and_reference

Precision = Literal["float32", "bfloat16"]


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" is the first CUDA device, else the CPU.

    Raises:
        UserError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        raise UserError(
            f"device={name} is not usable on this machine: take device=auto or device=cpu."
        ) from error
    return device


class LipSync:
    """A generator ready to work on batches of 8-bit crops; usable from several threads.

    Args:
        generator: put into evaluation mode and moved to the device.
        device: "auto", "cpu", "cuda", "cuda:1", …
        precision: "float32", or "bfloat16" autocast on CUDA. On the CPU float32 is the only one:
            there bfloat16 was no faster (both 17 to 21 frames/s on two cores), and a virtual
            machine that announces AMX without having it kills the process.

    Example:
        >>> lipsync = LipSync(Generator(width=0.125), device="cpu")
        >>> face = np.zeros((1, 96, 96, 3), np.uint8)
        >>> lipsync(face, np.zeros((1, 80, 16), np.float32)).shape
        (1, 96, 96, 3)
    """

    def __init__(
        self, generator: Generator, device: str = "auto", precision: Precision = "float32"
    ) -> None:
        self.device = pick_device(device)
        if precision == "bfloat16" and self.device.type != "cuda":
            raise UserError("precision=bfloat16 needs a CUDA device: take precision=float32.")
        self.precision = precision
        # channels_last is a fifth faster on the CPU and equal to 1e-4 of the range.
        self.generator = generator.eval().to(self.device)
        self.generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.image_size = int(generator.config["image_size"])
        self.lead_frames = int(generator.config["lead_frames"])

    def __call__(
        self, faces: Sequence[np.ndarray] | np.ndarray, mels: Sequence[np.ndarray] | np.ndarray
    ) -> np.ndarray:
        """Generate one batch.

        Args:
            faces: B crops, uint8 (S, S, 3) BGR, S = `image_size`.
            mels: B mel windows, float32 (80, 16) in [-4, 4].

        Returns:
            uint8 (B, S, S, 3) BGR; values are truncated as published, not rounded.
        """
        face = torch.from_numpy(np.stack(list(faces))).to(self.device)
        mel = torch.from_numpy(np.stack(list(mels))).to(self.device)
        with torch.inference_mode(), self._autocast():
            out = self.generator(mel.unsqueeze(1), masked_and_reference(face))
            frames = (out.float() * 255).to(torch.uint8).permute(0, 2, 3, 1)
        return np.ascontiguousarray(frames.cpu().numpy())

    def _autocast(self) -> AbstractContextManager[None]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)
