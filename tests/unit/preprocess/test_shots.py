"""Long videos become several clips: cut at changes of scene, and where a scene is too long."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.cuts import Cutter, divide, parts_of
from preprocess.settings import Cut, Job
from preprocess.sources import Folder
from tests.integration.test_preprocess import Runner
from tests.unit.preprocess.clips import grey, portrait, write_video
from w2l.components import Clip
from w2l.errors import UserError
from w2l.video.shots import scene_starts


def test_scenes_begin_where_the_image_changes():
    face, other = portrait(), cv2.flip(portrait()[:, :, ::-1], 0)
    swaying = [np.roll(face, i % 5, axis=1) for i in range(40)]
    frames = [*swaying, *[other] * 30, *[grey()] * 20]
    assert scene_starts(frames) == ([0, 40, 70], 90)
    assert scene_starts(swaying) == ([0], 40)
    flash = [*swaying, *[other] * 3, *swaying]
    starts, count = scene_starts(flash)
    assert count == 83
    assert len(starts) <= 2, "three frames are no scene"


@pytest.mark.parametrize(
    ("scenes", "expected"),
    [
        ([(0, 10)], [(0, 10)]),
        ([(0, 10.04)], [(0, 5.0), (5.0, 10.04)]),
        ([(0, 4), (4, 29)], [(0, 4), (4, 12.32), (12.32, 20.64), (20.64, 29)]),
    ],
)
def test_long_scenes_are_divided_evenly(scenes, expected):
    assert divide(scenes, 10) == expected


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face for 2 s, grey for 1 s, the face for 1.6 s."""
    faces = [True] * 50 + [False] * 25 + [True] * 40
    path = tmp_path_factory.mktemp("scenes") / "ann" / "talk.mp4"
    return write_video(path, face_frames=faces, seconds_of_sound=115 / 25, sway=1)


def sound(folder: Path) -> np.ndarray:
    with wave.open(str(folder / "audio.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def test_each_scene_is_a_clip(video, tmp_path):
    job = Job(Folder(video.parents[1]), tmp_path / "cut", engine="serial", device="cpu")
    whole, cut = replace(job, out=tmp_path / "whole"), replace(job, cut=Cut(max_seconds=1.0))
    run = Runner()
    run(whole)
    result = run(cut)
    assert [(r["clip"], r["n_frames"]) for r in result.accepted] == [
        ("talk_000", 25), ("talk_001", 25), ("talk_003", 20), ("talk_004", 20)
    ]  # fmt: skip
    assert [(r["clip"], r["reason"]) for r in result.rejected] == [("talk_002", "no face")]
    everything = sound(whole.out / "ann" / "talk")
    for name, first, last in (("000", 0, 25), ("001", 25, 50), ("003", 75, 95), ("004", 95, 115)):
        folder = cut.out / "ann" / f"talk_{name}"
        record = json.loads((folder / "clip.json").read_text())
        assert (record["start_s"] or 0, record["end_s"]) == (first / 25, last / 25)
        assert np.array_equal(sound(folder), everything[first * 640 : last * 640])
        assert len(list(folder.glob("*.jpg"))) == last - first
    before = {path: path.stat().st_mtime_ns for path in cut.out.rglob("*.*") if path.is_file()}
    assert run(cut).prepared == 0
    after = {path: path.stat().st_mtime_ns for path in cut.out.rglob("*.*") if path.is_file()}
    assert {p for p in before if before[p] != after[p]} <= set(cut.out.glob("*.*"))  # the lists


def test_a_short_scene_stays_a_whole_clip_and_a_broken_file_is_told(video, tmp_path):
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "one.mp4", face_frames=[True] * 25)
    (tmp_path / "in" / "text.mp4").write_text("no video")
    job = Job(Folder(tmp_path / "in"), tmp_path / "out", engine="serial", cut=Cut(10))
    result = Runner()(job)
    assert [r["clip"] for r in result.accepted] == ["one"]
    assert [(r["clip"], r["reason"]) for r in result.rejected] == [("text", "broken file")]


def test_what_was_found_holds_for_this_file_and_setting(video, tmp_path):
    clip = Clip(video.parent, video.name, "ann", "talk", start_s=1.0, end_s=4.0)
    cutter = Cutter(tmp_path, Cut(10))
    assert cutter.known(clip) is None
    assert parts_of([clip], cutter) == [clip]
    assert cutter(clip) == [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]
    assert [part.key for part in cutter.known(clip)] == [f"ann/talk_00{i}" for i in range(3)]
    assert Cutter(tmp_path, Cut(5)).known(clip) is None
    assert cutter.known(replace(clip, end_s=None)) is None


def test_a_part_and_a_file_of_its_name_are_told(video, tmp_path):
    (tmp_path / "in" / "ann").mkdir(parents=True)
    (tmp_path / "in" / "ann" / "talk.mp4").write_bytes(video.read_bytes())
    write_video(tmp_path / "in" / "ann" / "talk_001.mp4", face_frames=[True] * 25, sway=1)
    job = Job(Folder(tmp_path / "in"), tmp_path / "out", engine="serial", cut=Cut(10))
    with pytest.raises(UserError, match=r"talk_001.mp4 and ann/talk.mp4.*ann/talk_001: rename"):
        Runner()(job)


def test_shards_cut_their_own_and_list_all(video, tmp_path):
    root = tmp_path / "in"
    for name in ("a/1", "b/1"):
        (root / name).parent.mkdir(parents=True)
        (root / f"{name}.mp4").write_bytes(video.read_bytes())
    job = Job(Folder(root), tmp_path / "out", engine="serial", num_shards=2, cut=Cut(10))
    run = Runner()
    first = run(job)
    assert (len(first.accepted), first.pending) == (2, 1)
    second = run(replace(job, shard=1))
    assert (len(second.accepted), len(second.rejected), second.pending) == (4, 2, 0)
