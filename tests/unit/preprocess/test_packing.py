"""Folders become shards: what a second run leaves alone, and what becomes of bad clips."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from preprocess.packing import Packed, pack
from preprocess.report import Report
from preprocess.settings import Job, Packing
from preprocess.sources import Prepared
from w2l.data.storage import Storage
from w2l.errors import UserError
from w2l.files import sha256

SMALL = Packing("raw", image_size=32, shard_bytes=2 * 40 * 3 * 32**2)  # two clips to a shard


@pytest.fixture
def root(prepared: Path, tmp_path: Path) -> Path:
    return shutil.copytree(prepared, tmp_path / "set")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(Prepared(tmp_path), tmp_path / "out", engine="serial")


def run(root: Path, job: Job, packing: Packing = SMALL) -> tuple[Packed, str]:
    stream = StringIO()
    packed = pack(root, job, packing, Report(Console(file=stream, width=300)))
    return packed, stream.getvalue()


def test_the_index_says_what_the_shards_hold(root: Path, job: Job) -> None:
    packed, said = run(root, job)
    index = json.loads((packed.folder / "index.json").read_text())
    assert packed.folder == job.out / "shards" / "raw-32"
    assert {split: [s["clips"] for s in shards] for split, shards in index["splits"].items()} == {
        "train": [2, 2], "val": [2], "test": [2]
    }  # fmt: skip
    for shards in index["splits"].values():
        for shard in shards:
            path = packed.folder / shard["file"]
            assert (path.stat().st_size, sha256(path)) == (shard["bytes"], shard["sha256"])
            assert shard["frames"] == 80
    assert "8 clips in 4 shards" in said
    assert "GB per hour of video" in said
    names = [clip.name for clip in Storage(str(job.out), image_size=32).clips("train")]
    assert names == (root / "train.txt").read_text().split()


def test_a_second_run_packs_only_what_changed(root: Path, job: Job) -> None:
    packed, _ = run(root, job)
    stamps = {path: path.stat().st_mtime_ns for path in packed.folder.glob("*.*")}
    again, said = run(root, job)
    assert again.packed == 0
    assert "0 packed now" in said
    changed = root / "train3" / "00001"
    (changed / "39.jpg").unlink()
    (packed.folder / "val-00000.arrow").write_bytes(b"cut off")
    assert run(root, job)[0].packed == 2
    kept = {p for p, t in stamps.items() if p.suffix == ".arrow" and p.stat().st_mtime_ns == t}
    assert {path.name for path in kept} == {"train-00000.arrow", "test-00000.arrow"}
    (root / "train.txt").write_text("train0/00001\n")
    run(root, job)
    assert not (packed.folder / "train-00001.arrow").exists(), "a shard of no clip was left"


def test_bad_clips_are_left_out_with_reasons(root: Path, job: Job) -> None:
    (root / "train0" / "00001" / "audio.wav").unlink()
    cut = root / "train1" / "00001" / "7.jpg"
    cut.write_bytes(cut.read_bytes()[:-50])
    (root / "train2" / "00001" / "3.jpg").write_text("no image")
    shutil.rmtree(root / "val0")
    for packing in (SMALL, replace(SMALL, storage="compressed")):
        packed, said = run(root, job, packing)
        found = {(r["speaker"], r["reason"]) for r in packed.rejected}
        assert found == {
            ("train0", "no readable sound"), ("train1", "broken frame"),
            ("train2", "broken frame"), ("val0", "missing clip"),
        }  # fmt: skip
        lines = (packed.folder / "rejected.jsonl").read_text().splitlines()
        assert [json.loads(line)["detail"] for line in lines] == [
            record["detail"] for record in packed.rejected
        ]
        assert "2 broken frame" in said
        clips = Storage(str(job.out), packing.storage, image_size=32).clips("train")
        assert [clip.name for clip in clips] == ["train3/00001"]
    assert "not packed" in run(root, job)[1], "a second run forgot the rejections"


def test_nothing_to_pack_is_one_sentence(root: Path, job: Job) -> None:
    for path in root.glob("*/*/audio.wav"):
        path.unlink()
    with pytest.raises(UserError, match="8 no readable sound"):
        run(root, job)
    with pytest.raises(UserError, match="There is no data set"):
        run(root / "nowhere", job)


def test_machines_share_the_shards_and_the_last_writes_the_index(root: Path, job: Job) -> None:
    first, said = run(root, replace(job, num_shards=2, shard=1))
    assert (first.packed, first.missing) == (2, 2)
    assert "not packed yet: 2 shards" in said
    assert not (first.folder / "index.json").exists()
    last, _ = run(root, replace(job, num_shards=2, shard=0))
    assert (last.packed, last.missing) == (2, 0)
    assert len(Storage(str(job.out), "raw", image_size=32).clips("train")) == 4


def test_half_of_a_set_is_never_trained_on(
    root: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, _ = run(root, job)
    (root / "train0" / "00001" / "39.jpg").unlink()
    monkeypatch.setattr("preprocess.packer.write_shard", broken)
    with pytest.raises(UserError, match="could not be packed"):
        run(root, job)
    assert not (packed.folder / "index.json").exists()
    assert not list(packed.folder.glob(".*.arrow"))
    monkeypatch.undo()
    assert run(root, job)[0].packed == 1


def broken(*_: object) -> None:
    raise RuntimeError("a fault")


def test_raw_pixels_are_those_of_the_folder(root: Path, job: Job) -> None:
    run(root, job)
    clip = Storage(str(job.out), "raw", image_size=32).clips("train")[0]
    image = cv2.imread(str(root / clip.name / "11.jpg"))
    assert np.array_equal(clip.faces(np.array([11]))[0], cv2.resize(image, (32, 32)))
