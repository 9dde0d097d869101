"""Sync metrics: a functional core, and thin `torchmetrics.Metric` shells around it."""

from w2l.metrics.cosine import CosineSummary, cosine_by_offset, summarize
from w2l.metrics.lse import LSE, VSHIFT, lse, offsets, pairwise_distances
from w2l.metrics.stateful import CosineSimilarity, LipSyncError

__all__ = [
    "LSE",
    "VSHIFT",
    "CosineSimilarity",
    "CosineSummary",
    "LipSyncError",
    "cosine_by_offset",
    "lse",
    "offsets",
    "pairwise_distances",
    "summarize",
]
