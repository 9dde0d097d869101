"""The losses of the published recipes, computed in float32 whatever the network ran in."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(probability: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy of probabilities in [0, 1] against targets of the same shape.

    In at least float32 and outside autocast, where a cross-entropy on probabilities is refused.
    Rounding, and an expert without its last ReLU, can leave [0, 1]; the value is clamped there.
    """
    dtype = probability.float().dtype if probability.dtype.itemsize < 4 else probability.dtype
    return F.binary_cross_entropy(probability.to(dtype).clamp(0, 1), target.to(dtype))


def cosine(audio: Tensor, face: Tensor) -> Tensor:
    """Cosine similarity of paired embeddings (B, D) → (B, 1), at least float32."""
    if audio.dtype.itemsize < 4:
        audio, face = audio.float(), face.float()
    return F.cosine_similarity(audio, face).unsqueeze(1)
