"""What a loading process holds for each clip of a set, and how often a set is listed."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from w2l.data import ClipDataModule, SyncSamples
from w2l.data import clips as clips_module
from w2l.data import storage as storage_module
from w2l.data.clips import AnyClip, FolderClips
from w2l.data.sharded import ShardedClips
from w2l.data.shards import ShardEntry, write_shard
from w2l.data.storage import Local

BYTES = 200  # for each clip
PRESENT = np.concatenate([np.arange(40), np.arange(43, 120)])


def held(make: Callable[[], Sequence[AnyClip]]) -> float:
    """Bytes that are held for each clip once all have been looked at."""

    def look(clips: Sequence[AnyClip]) -> None:
        for number in range(len(clips)):
            assert np.array_equal(clips[number].frames, PRESENT)
            assert len(clips[number].starts) == 109

    look(make())  # what is made once, as the table of interned strings, which paths fill
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()
    clips = make()
    look(clips)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()
    tracemalloc.stop()
    return (after - before) / len(clips)


def test_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Counter[str]()

    def list_frames(folder: Path) -> np.ndarray:
        asked[folder.parents[1].name] += 1
        return PRESENT.copy()

    monkeypatch.setattr(clips_module, "list_frames", list_frames)
    names = [f"id{i:05d}/21Uxsk56VDQ_00001" for i in range(2000)]
    assert held(lambda: FolderClips(Path("/set"), names)) < BYTES
    assert asked == {"set": 4000}  # each folder is read once


def test_shards(tmp_path: Path) -> None:
    path = tmp_path / "train-00000.arrow"
    with write_shard(path, "jpeg", 96) as shard:
        for i in range(500):
            mel, faces = np.zeros((80, 400), np.float32), [b"jpeg"] * len(PRESENT)
            shard.add(f"id{i:05d}/21Uxsk56VDQ_00001", PRESENT, faces, mel)
    entry = ShardEntry(path.name, 500, 500 * len(PRESENT), path.stat().st_size, "")
    assert held(lambda: ShardedClips([entry], Local(tmp_path), image_size=96)) < BYTES


@pytest.mark.parametrize("storage", ["folder", "auto"])
def test_a_set_is_listed_once(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    """A command sets up its data early, to tell of faults; Lightning does it again."""
    asked: list[str] = []
    read = clips_module.read_names
    for module in (clips_module, storage_module):
        monkeypatch.setattr(
            module, "read_names", lambda root, split: asked.append(split) or read(root, split)
        )
    data = ClipDataModule(prepared, SyncSamples(), num_workers=0, storage=storage)
    data.setup("fit")
    first = data.train_set
    data.setup("fit")
    data.setup("validate")
    assert sorted(asked) == ["train", "val"]
    assert data.train_set is first
