"""Arithmetic that does not depend on the processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["float32", "tf32", "bfloat16"]


@contextmanager
def arithmetic(precision: Precision) -> Iterator[None]:
    """Within the block float32 is float32: torch itself rounds a GPU's convolutions to TF32.

    Args:
        precision: "float32"; "tf32": factors of convolutions and products of matrices have 10 bits
            of mantissa on GPUs that can, which is faster there; "bfloat16": as "float32", what is
            coarser is a network's own.
    """
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before
