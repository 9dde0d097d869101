"""Sync metrics: a functional core, and thin `torchmetrics.Metric` shells around it."""

from w2l.metrics.cosine import CosineSummary, cosine_by_offset, summarize
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
from w2l.metrics.stateful import CosineSimilarity, LipSyncError

__all__ = [
    "LSE",
    "VSHIFT",
    "CosineSimilarity",
    "CosineSummary",
    "LipSyncError",
    "confidence_over_time",
    "cosine_by_offset",
    "implausible",
    "lse",
    "offsets",
    "pairwise_distances",
    "summarize",
    "unpadded_lse",
]
