"""Sets in object storage: every sample once, few shards at a time, each fetched once and whole."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tests.unit.data.test_shards import packed  # noqa: F401
from tests.waiting import wait_until
from w2l.data import ClipDataModule, ClipDataset, EpochSampler, SyncSamples
from w2l.data import cache as cache_module
from w2l.data.cache import ShardCache
from w2l.data.clips import UNREACHABLE, BadClipError
from w2l.data.loader import AHEAD, Prefetch, first_uses
from w2l.data.shards import ShardEntry
from w2l.data.storage import Storage
from w2l.errors import UserError
from w2l.files import sha256


def sampler(**values: object) -> EpochSampler:
    defaults: dict[str, object] = {"n": 60, "seed": 4, "shards": [4, 1, 3, 4, 4, 4, 4, 4, 2]}
    return EpochSampler(**{**defaults, "window": 3, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_streamed_samples_come_once_over_all_processes(processes: int) -> None:
    for epoch in range(3):
        seen: list[int] = []
        for rank in range(processes):
            part = sampler(rank=rank, num_replicas=processes)
            part.epoch = epoch
            drawn = list(part)
            assert len(drawn) == len(part) == 60 // processes
            assert drawn == list(part), "the order must depend on seed and epoch alone"
            seen += drawn
        assert sorted(seen) == list(range(60 * epoch, 60 * epoch + 60))


def test_streamed_samples_need_few_shards_at_a_time() -> None:
    sizes = [4, 1, 3, 4, 4, 4, 4, 4, 2]
    shard = np.repeat(np.arange(9), sizes)[np.arange(60) % 30]
    for rank in range(2):
        order = sampler(rank=rank, num_replicas=2).order()
        used = shard[order % 60]
        last = {s: i for i, s in enumerate(used)}
        first = {s: i for i, s in reversed(list(enumerate(used)))}
        open_at = [sum(first[s] <= i <= last[s] for s in first) for i in range(len(used))]
        assert max(open_at) <= 3
        assert np.count_nonzero(np.diff(used)) > 1.5 * len(first), "shards are not mixed"
    halves = [set(shard[sampler(rank=r, num_replicas=2).order() % 60]) for r in range(2)]
    assert len(halves[0] & halves[1]) <= 1, "processes must not fetch each other's shards"


def test_a_streamed_epoch_resumes_where_it_was() -> None:
    whole = list(sampler())
    resumed = sampler()
    resumed.skip = 17
    assert list(resumed) == whole[17:]
    other = sampler()
    other.epoch = 1
    assert [i % 60 for i in other] != whole


@pytest.fixture
def remote(packed: Path) -> str:  # noqa: F811
    """The packed set at an address."""
    address = "memory://bucket/set"
    filesystem = fsspec.filesystem("memory")
    for path in (packed / "shards").rglob("*"):
        if path.is_file():
            filesystem.pipe(f"/bucket/set/{path.relative_to(packed)}", path.read_bytes())
    return address


def test_streamed_batches_are_those_of_the_folder(
    packed: Path, remote: str, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    here = ClipDataset(Storage(str(packed), "folder").clips("train"), SyncSamples(), seed=2)
    there = ClipDataset(
        Storage(remote, "raw", cache_dir=tmp_path / "cache").clips("train"), SyncSamples(), seed=2
    )
    for i in range(12):
        assert all(bool((a == b).all()) for a, b in zip(here[i], there[i], strict=True))
    assert len(list((tmp_path / "cache").glob("*.arrow"))) == 2


def test_shards_that_are_fetched_cannot_be_balanced(remote: str, tmp_path: Path) -> None:
    data = ClipDataModule(remote, SyncSamples(), balance=0.5, cache_dir=tmp_path / "cache")
    with pytest.raises(UserError, match=r"data\.balance=0\.5 draws from all shards at once"):
        data.setup("fit")


@pytest.mark.long
def test_workers_stream_and_every_clip_comes_once(packed: Path, tmp_path: Path) -> None:  # noqa: F811
    data = ClipDataModule(
        packed.as_uri(), SyncSamples(), batch_size=2, num_workers=2, cache_dir=tmp_path / "cache"
    )
    data.setup("fit")
    loader = data.train_dataloader()
    assert sum(len(batch.frames) for batch in loader) == 4
    assert data.train_set.rejections.good == 4
    assert len(list((tmp_path / "cache").glob("[!.]*.arrow"))) == 2
    assert not [t for t in threading.enumerate() if t.name == "prefetch" and not t.daemon]


def entry_of(path: Path) -> ShardEntry:
    return ShardEntry(path.name, 1, 1, path.stat().st_size, sha256(path))


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.arrow").write_bytes(bytes([i]) * 1000)
    return folder


def test_each_shard_is_fetched_once_however_many_ask(
    bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []
    download = ShardCache._download

    def slow(self: ShardCache, entry: ShardEntry, target: Path) -> str | None:
        fetched.append(entry.file)
        time.sleep(0.1)
        return download(self, entry, target)

    monkeypatch.setattr(ShardCache, "_download", slow)
    cache = ShardCache(bucket.as_uri(), tmp_path / "cache")
    entry = entry_of(bucket / "0.arrow")
    threads = [threading.Thread(target=cache, args=[entry]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched == ["0.arrow"]
    assert cache(entry).read_bytes() == (bucket / "0.arrow").read_bytes()


def test_the_cache_keeps_to_its_limit_and_to_what_was_used_last(
    bucket: Path, tmp_path: Path
) -> None:
    cache = ShardCache(bucket.as_uri(), tmp_path / "cache", limit=2500)
    entries = [entry_of(bucket / f"{i}.arrow") for i in range(4)]
    for i in (0, 1, 0, 2):
        cache(entries[i])
        time.sleep(0.01)
    kept = {path.name.removesuffix(".arrow") for path in (tmp_path / "cache").glob("[!.]*.arrow")}
    assert kept == {entries[0].sha256, entries[2].sha256}


def test_what_comes_wrong_is_a_reason_and_leaves_nothing(
    bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "PAUSE_S", 0.0)
    cache = ShardCache(bucket.as_uri(), tmp_path / "cache")
    entries = [entry_of(bucket / f"{i}.arrow") for i in range(3)]
    (bucket / "0.arrow").write_bytes(b"\x07" * 1000)  # other bytes
    (bucket / "1.arrow").write_bytes(b"\x01" * 999)  # cut off
    (bucket / "2.arrow").unlink()
    for entry, part in zip(entries, ("SHA-256", "999 bytes", "FileNotFound"), strict=True):
        with pytest.raises(BadClipError) as bad:
            cache(entry)
        assert bad.value.reason == UNREACHABLE
        assert part in bad.value.detail
    assert not list((tmp_path / "cache").glob("*.arrow"))


def test_an_unreachable_shard_is_counted_and_others_stand_in(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setattr(cache_module, "PAUSE_S", 0.0)
    root = shutil.copytree(packed / "shards", tmp_path / "set" / "shards").parent
    (root / "shards" / "raw-96" / "train-00001.arrow").unlink()
    clips = Storage(root.as_uri(), "raw", cache_dir=tmp_path / "cache").clips("train")
    dataset = ClipDataset(clips, SyncSamples())
    for i in range(8):
        dataset[i]
    counts = dataset.rejections.by_reason
    assert counts[UNREACHABLE] == dataset.rejections.total == 4


def test_bad_addresses_are_one_sentence(packed: Path, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(UserError, match="only shards can be streamed"):
        Storage("memory://nowhere", cache_dir=tmp_path).clips("train")
    with pytest.raises(UserError, match="cannot be read"):
        Storage("nosuch://bucket/set", cache_dir=tmp_path).clips("train")
    with pytest.raises(UserError, match=r"data.cache_bytes=10 holds fewer"):
        Storage(packed.as_uri(), cache_dir=tmp_path, cache_bytes=10).clips("train")


def test_shards_are_fetched_ahead_but_not_all_at_once() -> None:
    fetched: list[int] = []
    positions, shards = first_uses(np.array([5, 5, 2, 5, 2, 7, 7, 1, 0, 0]))
    assert (positions, shards) == ([0, 2, 5, 7, 8], [5, 2, 7, 1, 0])
    prefetch = Prefetch(fetched.append, positions, shards)
    prefetch.start()

    def settles_at(count: int) -> bool:
        wait_until(lambda: len(fetched) >= count)
        time.sleep(0.05)  # in which more would be fetched
        return len(fetched) == count

    assert settles_at(1 + AHEAD)
    prefetch.advance(4)
    assert settles_at(2 + AHEAD)
    prefetch.stop()
    prefetch.advance(10)
    assert settles_at(2 + AHEAD)
    assert fetched == shards[: 2 + AHEAD]
