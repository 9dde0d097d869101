"""Sync metrics: a functional core, and thin `torchmetrics.Metric` shells around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2l.metrics.cosine import BestOffset, CosineSummary, best_offset, cosine_by_offset, summarize
from w2l.metrics.lse import (
    LSE,
    VSHIFT,
    confidence_over_time,
    implausible,
    lse,
    offsets,
    pairwise_distances,
    unpadded_lse,
)
from w2l.metrics.separation import Roc, roc

if TYPE_CHECKING:
    from w2l.metrics.stateful import CosineSimilarity, LipSyncError

__all__ = [
    "LSE",
    "VSHIFT",
    "BestOffset",
    "CosineSimilarity",
    "CosineSummary",
    "LipSyncError",
    "Roc",
    "best_offset",
    "confidence_over_time",
    "cosine_by_offset",
    "implausible",
    "lse",
    "offsets",
    "pairwise_distances",
    "roc",
    "summarize",
    "unpadded_lse",
]


def __getattr__(name: str) -> Any:
    """The shells when they are asked for: torchmetrics takes a second and 60 MB to import."""
    if name in {"CosineSimilarity", "LipSyncError"}:
        from w2l.metrics import stateful

        return getattr(stateful, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
