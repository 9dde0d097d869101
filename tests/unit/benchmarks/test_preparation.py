"""The published preparation, written plainly, gives what it should; ours is measured on it."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from omegaconf import OmegaConf
from rich.console import Console

from benchmarks import preparation
from benchmarks.face_videos import write_face_videos
from preprocess.settings import Recipe
from preprocess.steps.chain import prepare_clip
from w2l.components import Clip, FaceDetector
from w2l.faces import CenterFace


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return CenterFace()


def test_both_ways_write_the_same_images(tmp_path, detector):
    (video,) = write_face_videos(tmp_path, clips=1, frames=20, size=(192, 160), seed=0)
    clip = Clip(video.parent, video.name, "s", "c")
    record = prepare_clip(clip, tmp_path / "ours", Recipe(), detector)
    assert record["n_faces"] == 20
    published = preparation.published_detector(tmp_path / "s3fd.pth")
    face = cv2.imread(str(tmp_path / "ours" / "0.jpg"))
    assert len(published.detect([face])[0].boxes) == 0, "and nothing is spent on candidates"
    for number in (0, 3):
        box = np.array(record["boxes"][number])
        assert preparation.prepare_as_published(video, tmp_path / "p", published, box, 4) == 4
        theirs = (tmp_path / "p" / f"{number}.jpg").read_bytes()
        assert theirs == (tmp_path / "ours" / f"{number}.jpg").read_bytes()
    assert len(np.load(tmp_path / "p" / "sound.npy")) == 4 * 640


def test_the_measurement_names_its_parts(monkeypatch, set_threads):
    monkeypatch.setattr(preparation, "FRAMES", 40)
    cfg = OmegaConf.create(
        {
            "seed": 0,
            "preparation": {"sizes": [[192, 160]], "clips": 1, "turns": 1, "published_frames": 2},
        }
    )
    result = preparation.measure(cfg, Console(file=io.StringIO()))
    rates = result["sizes"]["192x160"]["frames_per_s"]
    assert result["ratio"] == pytest.approx(rates["ours"] / rates["published"], rel=0.05)
    assert rates["ours"] > rates["with_sync"] > 0
    steps = result["sizes"]["192x160"]["ms_per_frame"]
    assert {"cut", "probe", "sound", "decode", "faces", "crops", "mel", "sync"} == set(steps)
    hours = result["core_hours"]["lrs2_29_h"]
    assert hours["ours"] == pytest.approx(29 * 25 / rates["ours"], rel=0.05)
