"""Weights must be numbers: NaN and infinite ones are named, and refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from w2l.errors import UserError


def not_finite(tensors: Mapping[str, Any]) -> list[str]:
    """Names of the floating-point entries that hold NaN or an infinite value.

    Args:
        tensors: by name, all on one device, which is waited for once; other entries are passed
            over.
    """
    floats = {
        name: entry.detach()
        for name, entry in tensors.items()
        if isinstance(entry, Tensor) and entry.is_floating_point() and entry.numel()
    }
    if not floats:
        return []
    # The largest magnitude, of which NaN is the largest: one pass, and no copy.
    largest = [torch.linalg.vector_norm(entry, torch.inf) for entry in floats.values()]
    finite = torch.stack([norm.isfinite() for norm in largest]).tolist()
    return [name for name, is_finite in zip(floats, finite, strict=True) if not is_finite]


def refuse_not_finite(path: str | Path, state: Mapping[str, Any]) -> None:
    """Refuse a file's weights where some are NaN or infinite.

    Raises:
        UserError: some are.
    """
    if names := not_finite(state):
        raise UserError(
            f"{path} holds weights that are NaN or infinite ({len(names)} of {len(state)} entries, "
            f"{names[0]} first): the training that wrote it had diverged, so use an earlier "
            "checkpoint."
        )
