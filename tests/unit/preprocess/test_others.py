"""Who comes before or after the one of a clip, in the same scene, is in a clip too."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.others import stretches_of_others
from preprocess.settings import Cut, Job, Quality, Recipe
from preprocess.sources import Folder
from tests.integration.test_preprocess import Runner
from tests.unit.preprocess.clips import portrait
from tests.unit.preprocess.test_shots import sound
from tests.unit.video.made import constant, write_video
from w2l.video.shots import scene_starts

SAMPLES_PER_FRAME = 640


def seen(*stretches: tuple[int, int], n: int = 100) -> np.ndarray:
    mask = np.zeros(n, dtype=bool)
    for start, stop in stretches:
        mask[start:stop] = True
    return mask


def test_stretches_are_where_only_others_are_seen_for_long_enough():
    main = seen((30, 60))
    assert stretches_of_others([main], 0, 5) == []
    assert stretches_of_others([main, seen((35, 55))], 0, 5) == []
    assert stretches_of_others([main, seen((10, 90))], 0, 5) == [(10, 30), (60, 90)]
    assert stretches_of_others([main, seen((26, 90))], 0, 5) == [(60, 90)]
    assert stretches_of_others([seen((70, 80)), main, seen((85, 92))], 1, 5) == [(70, 80), (85, 92)]
    assert stretches_of_others([main, seen((70, 80), (82, 90))], 0, 5) == [(70, 90)]
    overlapping = [main, seen((70, 80)), seen((65, 78)), seen((74, 86))]
    assert stretches_of_others(overlapping, 0, 5) == [(65, 70), (70, 80), (80, 86)]
    assert stretches_of_others([main, seen((62, 66)), seen((70, 74))], 0, 5) == []
    around = seen((0, 30), (60, 100))
    assert stretches_of_others([around, seen((33, 58))], 0, 5) == [(33, 58)]


@pytest.fixture(scope="module")
def panned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scene: somebody large and dark for 1.2 s, two small ones after another for 1 s each."""
    root = tmp_path_factory.mktemp("panned")
    large = cv2.flip(portrait(200), 1)[:, :, ::-1] // 2
    small = portrait(140)[:, :, ::-1]
    images = []
    for i in range(90):
        image = np.full((240, 720, 3), 128, np.uint8)
        if i < 30:
            image[20:220, 10:210] = np.roll(large, i % 3, axis=1)
        elif 35 <= i < 60:
            image[20:160, 280:420] = np.roll(small, i % 3, axis=1)
        elif i >= 65:
            image[20:160, 500:640] = np.roll(small, i % 3, axis=1)
        images.append(image)
    assert scene_starts(images) == ([0], 90)
    (root / "ann").mkdir()
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 90 * SAMPLES_PER_FRAME).astype(np.float32)
    write_video(root / "ann/talk.mp4", images, constant(90, Fraction(25)), sound=noise)
    return root


def near(record: dict, *frames: int) -> bool:
    return all(
        abs((record[key] or 0) * 25 - frame) <= 2
        for key, frame in zip(("start_s", "end_s"), frames, strict=True)
    )


def test_each_person_of_a_scene_becomes_a_clip(panned, tmp_path):
    job = Job(Folder(panned), tmp_path / "out", engine="serial", device="cpu", cut=Cut())
    run = Runner()
    result = run(job, Recipe(min_frames=16))
    assert result.rejected == []
    assert [r["clip"] for r in result.accepted] == ["talk", "talk_other1", "talk_other2"]
    _, second, third = result.accepted
    assert near(second, 35, 60)
    assert near(third, 65, 90)
    whole = json.loads((job.out / "ann/talk/clip.json").read_text())
    frames = [np.flatnonzero([b is not None for b in whole["boxes"]])]
    everything = sound(job.out / "ann/talk")
    for record in (second, third):
        folder = job.out / "ann" / record["clip"]
        first = round(record["start_s"] * 25)
        heard = sound(folder)
        expected = everything[first * SAMPLES_PER_FRAME :][: len(heard)]
        assert np.array_equal(heard[: len(expected)], expected)
        frames.append(first + np.array(sorted(int(p.stem) for p in folder.glob("*.jpg"))))
    together = np.concatenate(frames)
    assert len(set(together.tolist())) == len(together), "no frame is in two clips"
    assert len(together) >= 75  # of 30 + 25 + 25; a face that comes or goes may lose a frame

    before = {path: path.stat().st_mtime_ns for path in job.out.rglob("*.*") if path.is_file()}
    again = run(job, Recipe(min_frames=16))
    assert again.prepared == 0
    assert "3 of 3 clips were done before" in run.text
    assert again.accepted == result.accepted
    after = {path: path.stat().st_mtime_ns for path in job.out.rglob("*.*") if path.is_file()}
    assert {p for p in before if before[p] != after[p]} <= set(job.out.glob("*.*"))  # the lists


def test_who_follows_somebody_rejected_is_not_lost(panned, tmp_path):
    job = Job(Folder(panned), tmp_path / "out", engine="serial", device="cpu", cut=Cut())
    bright = Recipe(min_frames=16, quality=Quality(min_brightness=80))
    result = Runner()(job, bright)
    assert [(r["clip"], r["reason"]) for r in result.rejected] == [
        ("talk", "too dark or too bright")
    ]
    assert [r["clip"] for r in result.accepted] == ["talk_other1", "talk_other2"]


def test_sources_that_are_not_cut_keep_one_clip_a_file(panned, tmp_path):
    job = Job(Folder(panned), tmp_path / "out", engine="serial", device="cpu")
    result = Runner()(job, Recipe(min_frames=16))
    assert [r["clip"] for r in result.accepted] == ["talk"]
