"""Scores of clips: `SyncScorer` on frames and sound, `evaluate` on files."""

from w2l.filelists import find_videos
from w2l.scoring.evaluator import Evaluator, Protocol, evaluate
from w2l.scoring.results import ClipScore, TrackScore, to_json
from w2l.scoring.scorer import CosineResult, SyncResult, SyncScorer
from w2l.scoring.speaker import Speakers, who_speaks

__all__ = [
    "ClipScore",
    "CosineResult",
    "Evaluator",
    "Protocol",
    "Speakers",
    "SyncResult",
    "SyncScorer",
    "TrackScore",
    "evaluate",
    "find_videos",
    "to_json",
    "who_speaks",
]
