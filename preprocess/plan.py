"""Which clips go into which shard, before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from preprocess.settings import Packing
from w2l.data.shards import COMPRESSED, FORMAT, has_size

SOUND = ("mel.npy", "audio.wav")


@dataclass(frozen=True)
class ShardPlan:
    """One shard to be.

    Attributes:
        split: train, val or test.
        number: of the shard in its split.
        names: its clips, `speaker/clip`.
        state: digest of what the clips' folders looked like: with another one the shard is out of
            date. It tells files that came, went or were written anew whole, not an image that was
            changed in place.
    """

    split: str
    number: int
    names: tuple[str, ...]
    state: str

    @property
    def file(self) -> str:
        """Name of the shard."""
        return f"{self.split}-{self.number:05d}.arrow"


def plan_shards(
    root: Path, lists: Mapping[str, Sequence[str]], packing: Packing
) -> Iterator[ShardPlan]:
    """Fill shards in the order of the lists; a clip is never divided.

    Args:
        root: the folder of the clips.
        lists: `speaker/clip` names of each split.
        packing: what the shards are to be.
    """
    for split, names in lists.items():
        number, size, inside, states = 0, 0, list[str](), list[object]()
        for name in names:
            length, state = _look_at(root / name, packing)
            if inside and size + length > packing.shard_bytes:
                yield _plan(split, number, inside, states, packing)
                number, size, inside, states = number + 1, 0, [], []
            size += length
            inside.append(name)
            states.append(state)
        if inside:
            yield _plan(split, number, inside, states, packing)


def _plan(
    split: str, number: int, names: list[str], states: list[object], packing: Packing
) -> ShardPlan:
    recipe = [FORMAT, packing.storage, packing.image_size if has_size(packing.storage) else None]
    state = hashlib.sha256(json.dumps([recipe, names, states]).encode()).hexdigest()
    return ShardPlan(split, number, tuple(names), state)


def _look_at(folder: Path, packing: Packing) -> tuple[int, object]:
    """About how many bytes a clip will take, and what its folder looks like."""
    try:
        entries = {entry.name: entry for entry in folder.iterdir()}
        images = sorted(name for name in entries if name.endswith(".jpg"))
        state = [folder.stat().st_mtime_ns]
        for name in SOUND:
            if name in entries:
                status = entries[name].stat()
                state += [status.st_size, status.st_mtime_ns]
        if has_size(packing.storage):
            share = 2 if packing.storage == COMPRESSED else 1  # about what packing leaves
            return len(images) * 3 * packing.image_size**2 // share, state
        # A few stand for all: asking for every size takes an hour on a slow network folder.
        few = images[:: max(1, len(images) // 3)][:4]
        sizes = [entries[name].stat().st_size for name in few]
    except OSError:  # missing: rejected when it is packed
        return 0, None
    return len(images) * sum(sizes) // max(1, len(sizes)), state
