"""A generator learns what a wider, trained one makes of the same: distillation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from w2l.data.batches import LipBatch
from w2l.errors import UserError
from w2l.models import Generator
from w2l.systems.wav2lip import generate


class TeacherLoss(nn.Module):
    """Mean absolute difference from what a frozen generator makes of the same input.

    A term of a generator's loss (`w2l.components.LossTerm`). Frames of a teacher are easier to
    learn than real ones: what cannot be told from speech and reference is not in them.

    Args:
        teacher: makes faces of the student's size, (T·B, 3, S, S) in [0, 1].
        image_size, lead_frames: of the student.
        weight: of the term.

    Raises:
        UserError: the teacher's faces are of another size, or hear other windows.
    """

    def __init__(
        self, teacher: Generator, image_size: int, lead_frames: int, weight: float = 1.0
    ) -> None:
        super().__init__()
        for name, wanted in (("image_size", image_size), ("lead_frames", lead_frames)):
            if (has := teacher.config[name]) != wanted:
                key = "model.image_size" if name == "image_size" else name
                raise UserError(f"The teacher's {name} is {has}, the student's {wanted}: set "
                                f"{key}={has}, or name another teacher=.")  # fmt: skip
        self.teacher = teacher
        self.weight = weight

    def forward(self, batch: LipBatch, generated: Tensor) -> Tensor:
        """The loss of generated frames (B, 3, T, S, S)."""
        with torch.no_grad():
            wanted = generate(self.teacher, batch.mels, batch.masked_and_reference)
        return F.l1_loss(generated, wanted.to(generated.dtype))
