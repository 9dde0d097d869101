"""The lists of a large set: what is held of each clip, and what is written."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from preprocess import lists
from preprocess.lists import Rows, write_lists
from preprocess.records import MANIFEST_FIELDS, REJECTED_FIELDS, Record, Records, write_jsonl
from preprocess.settings import Recipe
from preprocess.sources import folder
from w2l.components import Clip, Listing


def made(number: int) -> Record:
    """A clip.json as VoxCeleb2 would give, with its boxes of every frame."""
    speaker, clip = f"id{number // 7:05d}", f"21Uxsk56VDQ_{number:05d}"
    record = {"speaker": speaker, "clip": clip, "source": f"dev/mp4/{speaker}/{clip}.mp4"}
    record |= {"start_s": None, "end_s": None, "n_frames": 200, "n_faces": 198, "fps": 25.0}
    record |= {"duration_s": 8.0 + number / 7, "source_fps": 25.0, "width": 224, "height": 224}
    record |= {"face_size": 90, "sharpness": number / 3, "brightness": 99.5, "yaw": number / 9}
    record |= {"pitch": 1 / (number + 1), "n_mel": 640, "sync_offset": -2, "sync_confidence": 4.25}
    return record | {"transcript": None, "boxes": [[1, 2, 3, 4]] * 200, "others": []}


def test_a_record_takes_little_memory() -> None:
    n = 3 * lists.BLOCK
    Rows(MANIFEST_FIELDS, map(made, range(lists.BLOCK)))  # what is made once
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()
    rows = Rows(MANIFEST_FIELDS, map(made, range(n)))
    gc.collect()
    after = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()
    tracemalloc.stop()
    assert len(rows) == n
    assert (after - before) / n < 400  # 0.44 GB for VoxCeleb2's 1.1 million


def test_a_listed_clip_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 5000
    sources = [f"dev/mp4/id{i // 190:05d}/21Uxsk56VDQ/{i:05d}.mp4" for i in range(n)]
    monkeypatch.setattr(folder, "walk", lambda *_: ("".join(s) for s in sources))
    tracemalloc.start()
    listing = folder.Folder(tmp_path).listing()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert [clip.path for clip in listing.clips[:2]] == [tmp_path / s for s in sources[:2]]
    assert used / n < 350


def test_rows_are_the_records() -> None:
    want = [{name: made(i)[name] for name in MANIFEST_FIELDS} for i in range(lists.BLOCK + 3)]
    rows = Rows(MANIFEST_FIELDS, map(made, range(lists.BLOCK + 3)))
    assert rows == want
    assert want == rows
    assert (rows[-1], rows[5], rows[2:4]) == (want[-1], want[5], want[2:4])
    assert [rows[lists.BLOCK - 1], rows[lists.BLOCK]] == want[lists.BLOCK - 1 : lists.BLOCK + 1]
    splits = ["val" if i % 3 else "test" for i in range(len(want))]
    more = rows.with_column("split", splits)
    assert list(more) == [w | {"split": s} for w, s in zip(want, splits, strict=True)]


@pytest.fixture
def listing() -> Listing:
    records = [made(i) for i in range(23)]
    return Listing(
        [Clip(Path(), r["source"], r["speaker"], r["clip"]) for r in records],
        others=["dev/readme"],
    )


class Made(Records):
    """Every fifth clip was rejected, and the last one is another shard's."""

    def finished(self, clip: Clip) -> Record | None:
        number = int(clip.name[-5:])
        return None if number % 5 == 0 or number == 22 else made(number)

    def rejected(self, clip: Clip) -> Record | None:
        number = int(clip.name[-5:])
        record = {name: made(number).get(name) for name in REJECTED_FIELDS} | {"boxes": [1]}
        return None if number % 5 else record | {"step": "faces", "reason": "no face"}


def lines(path: Path) -> Iterator[Record]:
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def test_lists_of_blocks(listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and row groups that end in the middle: all is written, in order, once."""
    monkeypatch.setattr(lists, "BLOCK", 4)
    monkeypatch.setattr(lists, "ROW_GROUP", 5)
    result = write_lists(listing, Made(tmp_path, Recipe()), prepared=0)
    assert (len(result.accepted), len(result.rejected), result.pending) == (17, 6, 1)
    manifest = list(lines(tmp_path / "manifest.jsonl"))
    assert manifest == result.accepted
    assert [tuple(line) for line in manifest] == [(*MANIFEST_FIELDS, "split")] * 17
    assert [line["sharpness"] for line in manifest] == [i / 3 for i in range(22) if i % 5]
    rejected = list(lines(tmp_path / "rejected.jsonl"))
    assert [line["source"] for line in rejected][-1] == "dev/readme"
    assert [tuple(line) for line in rejected] == [REJECTED_FIELDS] * 6
    table = pq.read_table(tmp_path / "manifest.parquet").to_pylist()
    assert [row["source"] for row in table] == sorted(r["source"] for r in [*manifest, *rejected])
    by_source = {row["source"]: row for row in table}
    for record in [*manifest, *rejected]:
        row = by_source[record["source"]]
        assert row == dict.fromkeys(lists.COLUMNS) | record
    listed = [
        line
        for split in ("train", "val", "test")
        for line in (tmp_path / f"{split}.txt").read_text().split()
    ]
    assert sorted(listed) == sorted(f"{r['speaker']}/{r['clip']}" for r in manifest)


def test_names_of_any_bytes(tmp_path: Path) -> None:
    """They come as surrogates; JSON reads them back, Parquet has escapes."""
    odd = made(1) | {"source": "caf\udce9.mp4", "transcript": "é"}
    rows = Rows(MANIFEST_FIELDS, [made(0), odd])
    assert [row["source"] for row in rows] == [made(0)["source"], "caf\udce9.mp4"]
    lists.write_table(tmp_path / "m.parquet", rows, Rows(REJECTED_FIELDS))
    table = pq.read_table(tmp_path / "m.parquet")
    assert table["source"].to_pylist() == ["caf\\udce9.mp4", made(0)["source"]]
    assert table["transcript"].to_pylist() == ["é", None]
    write_jsonl(tmp_path / "m.jsonl", rows)
    assert list(lines(tmp_path / "m.jsonl")) == rows
