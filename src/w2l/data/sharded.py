"""All clips of a split that lies in shards, opened as they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np

from w2l.data.clips import BAD_SHARD, AnyClip, BadClipError
from w2l.data.shards import Shard, ShardEntry


class ShardedClips(Sequence[AnyClip]):
    """Clips in the order of their split's list.

    Each process maps a shard at its first clip, so the object goes to workers as a list of names.

    Args:
        entries: the split's shards.
        locate: brings a shard to this machine where it is not there yet; gives its path.
        image_size: side of the faces, in pixels.
        keep: keep decoded faces in memory.
        max_open: shards that stay mapped; None: all.
        streamed: samples should be drawn from few shards at a time.
    """

    def __init__(
        self, entries: Sequence[ShardEntry], locate: Callable[[ShardEntry], Path], *,
        image_size: int, keep: bool = False, max_open: int | None = None, streamed: bool = False,
    ) -> None:  # fmt: skip
        self.entries, self.locate = list(entries), locate
        self.image_size, self.keep = image_size, keep
        self.max_open, self.streamed = max_open, streamed
        self.ends = list(accumulate(entry.clips for entry in entries))
        self._open: OrderedDict[int, Shard | BadClipError] = OrderedDict()

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    @overload
    def __getitem__(self, number: int) -> AnyClip: ...
    @overload
    def __getitem__(self, number: slice) -> list[AnyClip]: ...
    def __getitem__(self, number: int | slice) -> AnyClip | list[AnyClip]:
        """A clip.

        Raises:
            BadClipError: its shard is damaged or cannot be reached.
        """
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        shard = self.shard_of(number)
        return self._shard(shard)[number - self.ends[shard]]

    def shard_of(self, number: int) -> int:
        """In which shard a clip lies."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return bisect_right(self.ends, number)

    def neighbour(self, number: int, rng: np.random.Generator) -> int:
        """Another clip of the same shard, or of the next where that one cannot be opened."""
        shard = self.shard_of(number)
        if isinstance(self._open.get(shard), BadClipError):
            shard = (shard + 1) % len(self.entries)
        return self.ends[shard] - 1 - int(rng.integers(self.entries[shard].clips))

    def where(self, number: int) -> str:
        """Name a clip whose shard cannot be opened."""
        return self.entries[self.shard_of(number)].file

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}

    def _shard(self, shard: int) -> Shard:
        if shard in self._open:
            self._open.move_to_end(shard)
        else:
            self._open[shard] = self._load(self.entries[shard])
            if self.max_open is not None and len(self._open) > self.max_open:
                self._open.popitem(last=False)
        clips = self._open[shard]
        if isinstance(clips, BadClipError):
            raise clips
        return clips

    def _load(self, entry: ShardEntry) -> Shard | BadClipError:
        """The shard's clips; what is wrong with it is kept too, or each sample would try again."""
        try:
            path = self.locate(entry)
            if not path.exists():  # a cache has just given its room to another shard
                path = self.locate(entry)
            clips = Shard(path, image_size=self.image_size, keep=self.keep, size=entry.bytes)
            if len(clips) != entry.clips:
                raise BadClipError(BAD_SHARD, f"{path} has {len(clips)} clips, not {entry.clips}")
        except BadClipError as error:
            return error
        return clips
