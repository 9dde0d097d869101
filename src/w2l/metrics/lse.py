"""LSE-D and LSE-C: how far lips and sound are apart, and how sure the offset is.

Shapes: N windows, D embedding, S = 2·vshift + 1 shifts of the sound against the lips.

Source: the SyncNet evaluation code and Wav2Lip's evaluation scripts (K R Prajwal et al., A Lip
Sync Expert Is All You Need, ACM MM 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

VSHIFT = 15  # frames searched to either side, as published


class LSE(NamedTuple):
    """The lip-sync error of one clip.

    Attributes:
        lse_d: mean distance at the best offset; lower is better.
        lse_c: confidence, the median over the offsets minus that minimum; higher is better.
        offset: best offset in frames, **positive where the sound is early**.
        lse_d_at_0: mean distance at offset 0: what a viewer sees.
        lse_c_at_0: median minus the distance at offset 0; negative where 0 is worse than most.
        curve: mean distance per shift, float32 (S,); `offsets` names its entries.
    """

    lse_d: float
    lse_c: float
    offset: int
    lse_d_at_0: float
    lse_c_at_0: float
    curve: Tensor


def offsets(vshift: int = VSHIFT) -> Tensor:
    """The offset in frames that each entry of a curve stands for: vshift, …, 0, …, -vshift."""
    return torch.arange(vshift, -vshift - 1, -1)


def pairwise_distances(lips: Tensor, audio: Tensor, vshift: int = VSHIFT) -> Tensor:
    """Distances of every lip window to the sound windows around it.

    Beyond the clip's ends the sound is zero vectors, and their distances count: that is the
    published definition, and why scores of very short clips say little.

    Args:
        lips: lip embeddings (N, D).
        audio: sound embeddings of the same windows (N, D).
        vshift: frames searched to either side.

    Returns:
        float32 (S, N): entry [s, i] = ‖lips[i] - audio[i + s - vshift] + 1e-6‖₂, the epsilon
        being that of `torch.nn.functional.pairwise_distance`.

    Raises:
        ValueError: the shapes differ, or there is no window.
    """
    if lips.ndim != 2 or lips.shape != audio.shape:
        raise ValueError(
            f"lips and audio must both be (N, D), got {tuple(lips.shape)} and {tuple(audio.shape)}"
        )
    n = len(lips)
    if n < 1:
        raise ValueError("no window to score: LSE needs at least 6 frames and 0.24 s of sound")
    lips = lips.float()
    padded = F.pad(audio.float(), (0, 0, vshift, vshift))
    # One shift at a time: (N, D) of scratch memory instead of (S, N, D).
    return torch.stack(
        [F.pairwise_distance(lips, padded[s : s + n]) for s in range(2 * vshift + 1)]
    )


def lse(distances: Tensor) -> LSE:
    """Scores of one clip from its `pairwise_distances`.

    Args:
        distances: (S, N), S odd.

    Raises:
        ValueError: another shape, no window, or a distance that is not finite.
    """
    _check(distances)
    return _of(distances.mean(dim=1))


def unpadded_lse(distances: Tensor) -> LSE:
    """`lse` over the windows that both sides have, so that a clip's length does not count.

    The published mean takes the zero vectors beyond the clip's ends for sound: at offset 15 those
    are 62 % of the windows of a clip of one second, and 6 % of one of ten seconds.

    Args:
        distances: (S, N) from `pairwise_distances`, S odd.

    Returns:
        Like `lse`; the curve is NaN at offsets at which fewer than half of the windows overlap,
        and these neither compete nor count in the median.

    Raises:
        ValueError: as `lse`.
    """
    _check(distances)
    shifts, n = distances.shape
    vshift = shifts // 2
    partner = torch.arange(n) + torch.arange(-vshift, vshift + 1)[:, None]
    real = ((partner >= 0) & (partner < n)).to(distances.device)
    count = real.sum(dim=1)
    curve = (distances * real).sum(dim=1) / count
    return _of(curve.masked_fill(2 * count < n, torch.nan))


def _check(distances: Tensor) -> None:
    if distances.ndim != 2 or distances.shape[0] % 2 == 0 or distances.shape[1] < 1:
        raise ValueError(f"distances must be (2·vshift + 1, N ≥ 1), got {tuple(distances.shape)}")
    if not torch.isfinite(distances).all():
        raise ValueError("distances must be finite: the embeddings hold NaN or infinity")


def _of(curve: Tensor) -> LSE:
    """The scores of a curve (S,), in which NaN marks an offset that does not compete."""
    vshift = len(curve) // 2
    best = int(curve.nan_to_num(torch.inf).argmin())
    median = curve.nanmedian()
    return LSE(
        lse_d=float(curve[best]),
        lse_c=float(median - curve[best]),
        offset=vshift - best,
        lse_d_at_0=float(curve[vshift]),
        lse_c_at_0=float(median - curve[vshift]),
        curve=curve,
    )


def confidence_over_time(distances: Tensor, window: int = 9) -> Tensor:
    """How sure the best offset is, window by window, as SyncNet's own evaluation plots it.

    Args:
        distances: (S, N) from `pairwise_distances`.
        window: windows over which the median is taken, odd; at the ends with zeros, as published.

    Returns:
        float32 (N,): the median of the mean curve minus the distance at the best offset.
    """
    curve = distances.mean(dim=1)
    confidence = curve.median() - distances[curve.argmin()]
    return F.pad(confidence, (window // 2, window // 2)).unfold(0, window, 1).median(dim=1).values


def implausible(lse_d: float, lse_c: float) -> bool:
    """Whether no video is known to score so.

    A large distance and yet a clear minimum comes from a wrong colour order, range or rate; the
    bounds are those at which published tables look wrong (LSE-D 13.3 beside LSE-C 5.4). A distance
    beyond those of any video, in sync or not, comes from weights that are random or another's.
    """
    return (lse_d > 11 and lse_c > 4) or not 2 <= lse_d <= 25
