"""Speakers with few clips are drawn more often than those with many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import overload

import numpy as np

from w2l.data.clips import AnyClip


class BalancedClips(Sequence[AnyClip]):
    """Clips, each as often as its speaker's share asks for.

    A clip of a speaker with c clips stands there round((most / c) ** power) times, where most is
    the largest c. Power 0 changes nothing; 1 gives all speakers the same share; ½ lies between,
    so that a single clip is not learned by heart.

    Args:
        clips: named `speaker/clip`.
        power: 0 to 1.

    Raises:
        ValueError: power is outside of that.
    """

    def __init__(self, clips: Sequence[AnyClip], power: float) -> None:
        if not 0 <= power <= 1:
            raise ValueError(f"balance must lie in [0, 1], not {power}")
        speakers = [clip.name.partition("/")[0] for clip in clips]
        counts = Counter(speakers)
        most = max(counts.values())
        times = [round((most / counts[speaker]) ** power) for speaker in speakers]
        self._clips, self._numbers = clips, np.repeat(np.arange(len(clips)), times)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> AnyClip: ...
    @overload
    def __getitem__(self, number: slice) -> list[AnyClip]: ...
    def __getitem__(self, number: int | slice) -> AnyClip | list[AnyClip]:
        if isinstance(number, slice):
            return [self._clips[int(i)] for i in self._numbers[number]]
        return self._clips[int(self._numbers[number])]
