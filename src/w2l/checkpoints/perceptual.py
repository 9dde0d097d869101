"""The published weights of LPIPS, from the two files in which they come."""

from __future__ import annotations

from pathlib import Path

import torch

from w2l.checkpoints import archive
from w2l.checkpoints.finite import refuse_not_finite
from w2l.errors import UserError
from w2l.models import Lpips
from w2l.paths import user_path


def load_lpips(vgg16: str | Path, heads: str | Path | None = None) -> Lpips:
    """LPIPS from torchvision's `vgg16-397923af.pth` and the `lpips` package's `vgg.pth`.

    Args:
        vgg16: its features are taken, its classifier is not.
        heads: without it each channel of a stage counts alike: a perceptual loss, but not LPIPS.

    Raises:
        UserError: a file is missing, damaged, or holds something else.
    """
    network = Lpips()
    content = archive.load(user_path(vgg16))
    state = {k: v for k, v in content.items() if k.startswith("features.")}
    own = {k: v.shape for k, v in network.state_dict().items() if k.startswith("features.")}
    if {k: v.shape for k, v in state.items()} != own:
        raise UserError(f"{vgg16} does not hold the features of VGG-16 as torchvision names them.")
    refuse_not_finite(vgg16, state)
    network.load_state_dict(state, strict=False)
    if heads is not None:
        found = archive.load(user_path(heads))
        refuse_not_finite(heads, found)
        for i, head in enumerate(network.heads):
            value = found.get(f"lin{i}.model.1.weight")
            if not isinstance(value, torch.Tensor) or value.shape != head.shape:
                raise UserError(f"{heads} does not hold the heads of LPIPS for VGG-16.")
            head.data = value.float()
    return network.eval().requires_grad_(False)
