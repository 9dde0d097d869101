"""What makes a step quicker, switched on where it helps: precision, compilation."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from w2l.errors import UserError
from w2l.models.trial import trains_quicker_in_bfloat16

# The discriminator's penalty differentiates a gradient, which compiled networks cannot.
COMPILED = ("generator", "expert")


def picked_precision(
    precision: Any, accelerator: str, width: float = 1.0, image_size: int = 96
) -> Any:
    """`auto` is bfloat16 where a GPU has units for it, or a trial shows a CPU to be quicker so.

    Args:
        precision, accelerator: of the trainer.
        width, image_size: of the networks, for the trial.

    Raises:
        UserError: none of float32, float64 and bfloat16-mixed, or the last on a GPU without units.
    """
    on_gpu = torch.cuda.is_available() and accelerator != "cpu"
    # Emulated in float32 where there are none, which is slower than float32 itself.
    has_units = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "auto":
        quicker = has_units if on_gpu else trains_quicker_in_bfloat16(width, image_size)
        return "bf16-mixed" if quicker else "32-true"
    name = str(precision)
    if name.startswith("16"):
        raise UserError(
            f"trainer.precision={precision}: float16 needs scaled losses, which gradient clipping "
            "and the GAN's late discriminator do not go with: use auto, bf16-mixed or 32-true."
        )
    if name not in {"32", "32-true", "64", "64-true", "bf16", "bf16-mixed"}:
        raise UserError(
            f"trainer.precision={precision}: images and sound are float32, below which no "
            "network may fall: use auto, bf16-mixed, 32-true or 64-true."
        )
    if name.startswith("bf16") and on_gpu and not has_units:
        raise UserError(
            f"trainer.precision={precision}: this GPU has no units for bfloat16, so it would be "
            "slower than trainer.precision=32-true: use that."
        )
    return precision


def compile_networks(system: pl.LightningModule, wanted: Any, accelerator: str) -> list[str]:
    """Compile generator and expert in place, which leaves the names of their weights alone.

    Args:
        system: whose networks.
        wanted: true, false, or "auto": on GPUs. A CPU takes minutes to compile and gains little.
        accelerator: Lightning's; "cpu" where GPUs are not to be used.

    Returns:
        The names of the compiled networks.

    Raises:
        UserError: another value.
    """
    if wanted not in {True, False, "auto"}:
        raise UserError(f"compile must be true, false or auto, not {wanted!r}.")
    if wanted == "auto":
        wanted = torch.cuda.is_available() and accelerator != "cpu"
    if not wanted:
        return []
    named = [(n, m) for n, m in system.named_children() if n in COMPILED]
    for _, network in named:
        network.compile()
    return [name for name, _ in named]
