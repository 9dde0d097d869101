"""Lists of clips, read and written: splits for training, pairs for evaluation.

Their formats: docs/filelists.md.
"""

from w2l.filelists.pairs import Candidate, Pair, clip_file, cross_pairs, read_pairs, write_pairs
from w2l.filelists.reading import SplitEntry, read_split, split_entries, write_split
from w2l.filelists.videos import find_videos

__all__ = [
    "Candidate",
    "Pair",
    "SplitEntry",
    "clip_file",
    "cross_pairs",
    "find_videos",
    "read_pairs",
    "read_split",
    "split_entries",
    "write_pairs",
    "write_split",
]
