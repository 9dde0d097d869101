"""Preprocessed clips → training batches."""

from w2l.data.batches import LipBatch, SyncBatch
from w2l.data.clips import Clip, list_clips
from w2l.data.dataset import ClipDataset
from w2l.data.loader import EpochSampler
from w2l.data.module import ClipDataModule, clips_of
from w2l.data.samples import Augment, ContrastiveSamples, LipSamples, SyncSamples

__all__ = [
    "Augment",
    "Clip",
    "ClipDataModule",
    "ClipDataset",
    "ContrastiveSamples",
    "EpochSampler",
    "LipBatch",
    "LipSamples",
    "SyncBatch",
    "SyncSamples",
    "clips_of",
    "list_clips",
]
