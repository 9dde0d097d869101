"""Where a split's clips are read from: shards, plain folders, or object storage."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from w2l.data.cache import ShardCache, default_cache, is_url, read_remote
from w2l.data.clips import AnyClip, list_clips, read_names
from w2l.data.loader import AHEAD
from w2l.data.sharded import ShardedClips
from w2l.data.shards import (
    COMPRESSED,
    INDEX,
    JPEG,
    STORAGES,
    Index,
    ShardEntry,
    list_digest,
    packing_command,
    parse_index,
    shard_folder,
)
from w2l.errors import UserError
from w2l.paths import user_path

AUTO, FOLDER = "auto", "folder"
MAX_OPEN = 16  # shards that a process keeps mapped while streaming


@dataclass(frozen=True)
class Local:
    """Shards beside their index on this machine; gives a shard's path."""

    folder: Path

    def __call__(self, entry: ShardEntry) -> Path:
        return self.folder / entry.file


@dataclass(frozen=True)
class Storage:
    """What a data set is read from.

    Attributes:
        root: the set's folder, or an address that fsspec understands.
        kind: raw, compressed, jpeg, folder, or auto: the first of them that is there.
        image_size: side of the faces, in pixels.
        keep: keep decoded faces in memory.
        cache_dir: where shards of an address are kept; None: `default_cache()`.
        cache_bytes: how much they may take; None: no limit.
        window: shards in use at a time while streaming.
    """

    root: str
    kind: str = AUTO
    image_size: int = 96
    keep: bool = False
    cache_dir: Path | None = None
    cache_bytes: int | None = None
    window: int = 8

    def clips(self, split: str) -> Sequence[AnyClip]:
        """The clips of train, val or test, in the order of the split's list.

        Raises:
            UserError: there is no such set, storage or split, or it has no clip.
        """
        if self.kind not in {AUTO, FOLDER, *STORAGES}:
            raise UserError(
                f"data.storage={self.kind} is unknown: use auto, folder, jpeg, compressed or raw."
            )
        index = self._index
        if index is None:
            return list_clips(self.root, split, image_size=self.image_size, keep=self.keep)
        entries = index.splits.get(split, ())
        if not entries:
            raise UserError(
                f"The shards at {self._folder(index.storage)} hold no clip of {split}: add some to "
                f"{split}.txt and pack again."
            )
        streamed = is_url(self.root)
        return ShardedClips(
            entries,
            self._cache(index, entries) if streamed else Local(Path(self._folder(index.storage))),
            image_size=self.image_size,
            keep=self.keep and index.storage == JPEG,
            max_open=MAX_OPEN if streamed else None,
            streamed=streamed,
        )

    def _folder(self, kind: str) -> str:
        root = self.root if is_url(self.root) else str(user_path(self.root))
        return f"{root.rstrip('/')}/{shard_folder(kind, self.image_size)}"

    @cached_property
    def _index(self) -> Index | None:
        """The index of the shards to read; None: the clips' folders are read."""
        if self.kind in STORAGES:
            index = self._read(self.kind)
            if index is None:
                raise UserError(self._missing(self.kind))
            if reason := self._out_of_date(index):
                raise UserError(reason)
            return index
        if self.kind == AUTO:
            for kind in STORAGES:
                index = self._read(kind)
                if index is None:
                    continue
                if reason := self._out_of_date(index):
                    warnings.warn(f"not used: {reason}", stacklevel=2)
                    continue
                return index
        if is_url(self.root):
            raise UserError(self._missing(self.kind))
        of_this_size = {shard_folder(kind, self.image_size) for kind in STORAGES}
        others = [name for name in self._others("*") if f"shards/{name}" not in of_this_size]
        if self.kind == AUTO and others:
            warnings.warn(
                f"the shards ({', '.join(others)}) are not of {self.image_size} pixels, so the "
                "folders are read, which is slower: run "
                f"{packing_command(self.root, COMPRESSED, self.image_size)}.",
                stacklevel=2,
            )
        return None

    def _read(self, kind: str) -> Index | None:
        where = f"{self._folder(kind)}/{INDEX}"
        if is_url(self.root):
            text = read_remote(where)
        else:
            text = Path(where).read_bytes() if Path(where).is_file() else None
        return None if text is None else parse_index(text, where)

    def _out_of_date(self, index: Index) -> str | None:
        """Why shards must not stand for the set's folders, where it has them beside the shards."""
        if is_url(self.root):
            return None
        root = user_path(self.root)
        for split, digest in index.lists.items():
            if (root / f"{split}.txt").is_file() and list_digest(read_names(root, split)) != digest:
                return (
                    f"{root / split}.txt has changed since {self._folder(index.storage)} was "
                    f"packed: run {packing_command(root, index.storage, self.image_size)}."
                )
        return None

    def _missing(self, kind: str) -> str:
        if is_url(self.root):
            kinds = [kind] if kind in STORAGES else STORAGES
            looked_for = " or ".join(f"{shard_folder(k, self.image_size)}/{INDEX}" for k in kinds)
            return (
                f"There is no {looked_for} at {self.root}: only shards can be streamed; pack them "
                f"with `python -m preprocess … image_size={self.image_size}` and copy the folder "
                "shards there."
            )
        others = self._others(f"{kind}*")
        found = f" (there are {', '.join(others)})" if others else ""
        return (
            f"{self._folder(kind)} holds no shards{found}: make them with "
            f"{packing_command(user_path(self.root), kind, self.image_size)}."
        )

    def _others(self, pattern: str) -> list[str]:
        """Folders of the shards that are there."""
        found = user_path(self.root).glob(f"shards/{pattern}/{INDEX}")
        return sorted(path.parent.name for path in found)

    def _cache(self, index: Index, entries: Sequence[ShardEntry]) -> ShardCache:
        largest = max(entry.bytes for entry in entries)
        needed = min(len(entries), self.window + AHEAD + 1) * largest
        if self.cache_bytes is not None and self.cache_bytes < needed:
            raise UserError(
                f"data.cache_bytes={self.cache_bytes} holds fewer shards than are in use at a "
                f"time: set it to {needed} at least."
            )
        folder = default_cache() if self.cache_dir is None else user_path(self.cache_dir)
        return ShardCache(self._folder(index.storage), folder, self.cache_bytes)
