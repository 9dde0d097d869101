"""The same video twice: as a file, or as a clip that was encoded anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from pyarrow import parquet

from preprocess.duplicates import same_files
from preprocess.lookalikes import same_clips
from preprocess.settings import Cut, Job
from preprocess.sources import Folder
from tests.integration.test_preprocess import Runner
from tests.unit.preprocess.clips import good, portrait
from w2l.components import Clip


def clip(path: Path, name: str, **values: object) -> Clip:
    return Clip(path.parent, path.name, "s", name, **values)  # type: ignore[arg-type]


def test_bytes_and_times_make_a_duplicate(tmp_path):
    for name, content in {
        "a": b"one",
        "b": b"two",
        "c": b"one",
        "d": b"longer",
        "e": b"one",
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "empty1").touch()
    (tmp_path / "empty2").touch()
    paths = {path.name: path for path in tmp_path.iterdir()}
    assert same_files([clip(paths[name], name) for name in sorted(paths)]) == {
        "s/c": "s/a", "s/e": "s/a",
    }  # fmt: skip
    parts = [clip(paths["a"], f"{i}", start_s=i % 2, end_s=2.0) for i in range(4)]
    assert same_files(parts) == {"s/2": "s/0", "s/3": "s/1"}


def test_a_file_that_cannot_be_read_is_no_duplicate(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).write_text("same")

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("preprocess.duplicates.sha256", refuse)
    assert same_files([clip(tmp_path / name, name) for name in "ab"]) == {}


def test_addresses_are_compared_as_they_are(tmp_path):
    rows = [
        clip(tmp_path / "x", str(i), url=f"http://example.org/{i % 2}", end_s=float(i // 2))
        for i in range(4)
    ]
    assert same_files(rows) == {}
    assert same_files([*rows, clip(tmp_path / "y", "again", url=rows[1].url, end_s=0.0)]) == {
        "s/again": "s/1"
    }


def stored(
    root: Path, name: str, sound: np.ndarray, face: np.ndarray, seconds: float = 2.0
) -> dict:
    folder = root / "s" / name
    folder.mkdir(parents=True)
    np.save(folder / "mel.npy", sound)
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.jpg"), face)
    return {"speaker": "s", "clip": name, "duration_s": seconds}


@pytest.fixture
def sounds() -> list[np.ndarray]:
    """Three log-mels of two seconds with the rise and fall of syllables."""
    random = np.random.default_rng(0)
    return [
        cv2.resize(random.uniform(-4, 4, (8, 12)).astype(np.float32), (160, 80)) for _ in range(3)
    ]


def test_look_and_sound_make_a_duplicate(tmp_path, sounds):
    face = portrait(128)[..., ::-1].copy()
    other = face[:, ::-1].copy()
    small = cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(1).normal(0, 0.3, sounds[0].shape).astype(np.float32)
    records = [
        stored(tmp_path, "original", sounds[0], face),
        stored(tmp_path, "smaller", sounds[0] + noise, small),
        stored(tmp_path, "other_words", sounds[1], face),
        stored(tmp_path, "other_face", sounds[0], other),
        stored(tmp_path, "longer", sounds[0], face, seconds=2.5),
        stored(tmp_path, "silent", np.full((80, 160), -4, np.float32), face),
        stored(tmp_path, "silent_too", np.full((80, 160), -4, np.float32), face),
        {"speaker": "s", "clip": "gone", "duration_s": 2.0},
        stored(tmp_path, "third", sounds[0][:, ::1], small),
    ]
    assert same_clips(records, tmp_path) == {"s/smaller": "s/original", "s/third": "s/original"}
    assert same_clips([], tmp_path) == {}


def test_blocks_compare_all_with_all(tmp_path, sounds, monkeypatch):
    monkeypatch.setattr("preprocess.lookalikes.BLOCK", 2)
    face = portrait(96)
    records = [stored(tmp_path, str(i), sounds[i % 3], face) for i in range(7)]
    assert same_clips(records, tmp_path) == {
        "s/3": "s/0", "s/4": "s/1", "s/5": "s/2", "s/6": "s/0",
    }  # fmt: skip


@pytest.mark.parametrize("cut", [None, Cut(1.0)])
def test_every_file_is_in_the_manifest(tmp_path, cut):
    source, out = tmp_path / "in", tmp_path / "out"
    good(source / "ann" / "a.mp4", frames=50)
    (source / "bob").mkdir()
    shutil.copy(source / "ann" / "a.mp4", source / "bob" / "b.mp4")
    (source / "notes.txt").write_text("about them")
    job = Job(Folder(source), out, engine="serial", cut=cut, duplicates="exact", page=True)
    result = Runner()(job)
    assert {record["source"] for record in result.accepted} == {"ann/a.mp4"}
    rejected = {
        r["source"]: r for r in map(json.loads, (out / "rejected.jsonl").read_text().splitlines())
    }
    assert rejected["bob/b.mp4"]["reason"] == "duplicate"
    assert rejected["bob/b.mp4"]["detail"] == "bob/b is the same as ann/a."
    assert rejected["notes.txt"]["reason"] == "not called like a video"
    assert rejected["notes.txt"]["speaker"] is None
    table = parquet.read_table(out / "manifest.parquet").to_pylist()
    assert {row["source"] for row in table} == {"ann/a.mp4", "bob/b.mp4", "notes.txt"}
    assert not (out / "bob").exists()
    page = (out / "report.html").read_text()
    assert "bob/b is the same as ann/a." in page
    assert "notes.txt is not called like a video" in page
