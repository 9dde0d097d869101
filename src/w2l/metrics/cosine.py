"""Cosine similarity of lips and sound: its summary, and how it changes with the offset."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from w2l.metrics.lse import VSHIFT, offsets


class CosineSummary(NamedTuple):
    """Statistics of per-window similarities, in the conventions of `scipy.stats.describe`.

    Attributes:
        count: windows that were scored.
        min: smallest similarity.
        max: largest similarity.
        mean: arithmetic mean; higher is better.
        variance: unbiased (divided by count - 1); NaN for one window.
        skewness: third standardised moment, biased (of the population); NaN where all are equal.
        kurtosis: fourth standardised moment minus 3 (Fisher: 0 for a normal distribution),
            biased; NaN where all are equal.
    """

    count: int  # type: ignore[assignment]  # in place of tuple.count
    min: float
    max: float
    mean: float
    variance: float
    skewness: float
    kurtosis: float


def summarize(similarities: Tensor) -> CosineSummary:
    """Summary of the windows that have a similarity; NaN marks one that has none.

    Args:
        similarities: (N,), NaN where a window could not be scored.

    Raises:
        ValueError: no window has a similarity.
    """
    x = similarities.detach().double().cpu().flatten()
    x = x[~x.isnan()]
    if not len(x):
        raise ValueError("no window has a similarity to summarize")
    mean = x.mean()
    second, third, fourth = (((x - mean) ** power).mean() for power in (2, 3, 4))
    # Equal values differ from their mean by rounding: that is no spread to divide by.
    spread = bool(second > (torch.finfo(x.dtype).eps * mean) ** 2)
    return CosineSummary(
        count=len(x),
        min=float(x.min()),
        max=float(x.max()),
        mean=float(mean),
        variance=float(second * len(x) / (len(x) - 1)) if len(x) > 1 else float("nan"),
        skewness=float(third / second**1.5) if spread else float("nan"),
        kurtosis=float(fourth / second**2 - 3) if spread else float("nan"),
    )


def cosine_by_offset(lips: Tensor, audio: Tensor, vshift: int = VSHIFT) -> Tensor:
    """Mean cosine similarity at every offset, over the windows that both sides have.

    Nothing is padded, unlike in LSE, so a short clip is scored over fewer windows at the ends.

    Args:
        lips: face or lip embeddings (N, D); a row of NaN is a window without a face.
        audio: sound embeddings of the same windows (N, D).
        vshift: frames searched to either side.

    Returns:
        float32 (2·vshift + 1,) in the order of `w2l.metrics.offsets`; NaN where no window
        overlaps.

    Raises:
        ValueError: the shapes differ.
    """
    if lips.ndim != 2 or lips.shape != audio.shape:
        raise ValueError(
            f"lips and audio must both be (N, D), got {tuple(lips.shape)} and {tuple(audio.shape)}"
        )
    n = len(lips)
    lips = F.normalize(lips.float(), dim=1)
    # NaN beyond the ends, which nanmean leaves out.
    padded = F.pad(F.normalize(audio.float(), dim=1), (0, 0, vshift, vshift), value=float("nan"))
    shifts = range(2 * vshift + 1)
    return torch.stack([(lips * padded[s : s + n]).sum(dim=1).nanmean() for s in shifts])


def mean_by_offset(similarities: Tensor, vshift: int = VSHIFT) -> Tensor:
    """As `cosine_by_offset`, of the similarities of all windows with all sounds.

    Args:
        similarities: (N, N): row i is the lip window of frame i, column j the sound window of
            frame j; NaN is left out.
        vshift: frames searched to either side.
    """
    # At entry s lips i meet sound i + s - vshift: a diagonal.
    diagonals = (similarities.diagonal(shift) for shift in range(-vshift, vshift + 1))
    return torch.stack([diagonal.float().nanmean() for diagonal in diagonals])


class BestOffset(NamedTuple):
    """Where lips and sound fit best.

    Attributes:
        offset: in frames, positive where the sound is early.
        similarity: mean cosine there.
        confidence: how far it stands out: that similarity minus the median over the offsets.
    """

    offset: int
    similarity: float
    confidence: float


def best_offset(by_offset: Tensor, n_windows: int) -> BestOffset:
    """The highest entry of a `cosine_by_offset`.

    Only offsets at which half of the windows or more overlap compete: a mean of three is mostly
    luck.

    Args:
        by_offset: (2·vshift + 1,), NaN where no window overlaps.
        n_windows: of the clip.

    Raises:
        ValueError: no offset has a similarity.
    """
    shifts = offsets(len(by_offset) // 2)
    compete = by_offset.isfinite() & (shifts.abs() <= n_windows // 2)
    if not compete.any():
        raise ValueError("no offset has a window that both sides have")
    best = int(by_offset.masked_fill(~compete, -torch.inf).argmax())
    return BestOffset(
        offset=int(shifts[best]),
        similarity=float(by_offset[best]),
        confidence=float(by_offset[best] - by_offset[compete].median()),
    )
