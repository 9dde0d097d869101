"""Which faces are good enough: sharp, large, lit, and turned to the camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.rejection import RejectedError
from preprocess.settings import Quality, Recipe
from preprocess.steps.chain import prepare_clip
from preprocess.steps.quality import SIDE, Look, Viewer, check_quality, grey_face, sharpness
from tests.unit.preprocess.clips import good, portrait
from w2l.components import Clip
from w2l.faces import CenterFace

FACE = portrait(192)[..., ::-1].copy()
GOOD = Look(face_size=100, sharpness=0.15, brightness=120.0, yaw=5.0, pitch=4.0)


def measured(face: np.ndarray) -> float:
    return sharpness(grey_face(face, SIDE))


def test_sharpness_falls_with_blur_and_not_with_light_or_size():
    sharp = measured(FACE)
    blurred = [measured(cv2.GaussianBlur(FACE, (0, 0), sigma)) for sigma in (1, 2, 4)]
    assert sorted([sharp, *blurred], reverse=True) == [sharp, *blurred]
    assert blurred[2] < Quality().min_sharpness < blurred[0]
    assert measured((FACE * 0.5).astype(np.uint8)) == pytest.approx(sharp, rel=0.1)
    assert measured(portrait(256)[..., ::-1].copy()) == pytest.approx(sharp, rel=0.2)
    enlarged = cv2.resize(cv2.resize(FACE, (24, 24), interpolation=cv2.INTER_AREA), (192, 192))
    assert measured(enlarged) < Quality().min_sharpness
    assert sharpness(np.zeros((SIDE, SIDE), np.float32)) == 0


def test_medians_of_every_fifth_face():
    viewer = Viewer()
    faces = [None, *[FACE] * 9, np.zeros_like(FACE), *[FACE] * 4]
    assert list(viewer.watch(faces)) == faces
    boxes = np.zeros((15, 4), int)
    boxes[:, 3] = np.arange(15)
    look = viewer.look(boxes, np.array([face is not None for face in faces]), None)
    assert look.face_size == 7
    assert look.sharpness == pytest.approx(measured(FACE), abs=1e-4)
    assert look.brightness == pytest.approx(grey_face(FACE, SIDE).mean(), abs=0.1)
    assert (look.yaw, look.pitch) == (None, None)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"face_size": 47}, "too small", "47 pixels high; min_face=48"),
        ({"sharpness": 0.0123}, "blurred", "0.012 where min_sharpness=0.02"),
        ({"brightness": 12.0}, "too dark or too bright", "12 of 255; between min_brightness=25"),
        ({"brightness": 250.0}, "too dark or too bright", "and max_brightness=235"),
        ({"yaw": 61.0}, "turned away", "aside by 61 degrees; max_turn=45"),
        ({"pitch": 50.0}, "turned away", "up or down by 50 degrees"),
    ],
)
def test_each_limit_has_its_reason(change, reason, words):
    check_quality(Path("a.mp4"), GOOD, Quality())
    check_quality(Path("a.mp4"), replace(GOOD, yaw=None, pitch=None), Quality())
    with pytest.raises(RejectedError) as caught:
        check_quality(Path("a.mp4"), replace(GOOD, **change), Quality())
    assert (caught.value.step, caught.value.reason) == ("quality", reason)
    assert words in caught.value.detail


def test_a_clip_says_what_its_face_is_like_and_who_was_seen(tmp_path):
    clip = Clip(good(tmp_path / "a.mp4").parent, "a.mp4", "s", "c")
    record = prepare_clip(clip, tmp_path / "s" / "c", Recipe(), CenterFace())
    assert record["sharpness"] > 0.03
    assert 60 < record["brightness"] < 200
    assert record["yaw"] < 30
    (person,) = record["people"]
    assert (person["first_frame"], person["last_frame"], person["speaks"]) == (0, 24, True)
    assert person["box"][3] - person["box"][1] == pytest.approx(record["face_size"], abs=2)


def test_what_is_not_good_enough_leaves_nothing(tmp_path):
    clip = Clip(good(tmp_path / "a.mp4").parent, "a.mp4", "s", "c")
    with pytest.raises(RejectedError, match="min_face=500"):
        prepare_clip(clip, tmp_path / "s" / "c", Recipe(quality=Quality(500)), CenterFace())
    assert list((tmp_path / "s").iterdir()) == []


def test_a_recipe_without_the_filter_has_the_name_it_had():
    # Sets of before are of whole frames.
    assert Recipe(detect_whole=1).digest == "3bd228975000" != Recipe().digest
    assert Recipe().digest == Recipe(quality=None).digest != Recipe(quality=Quality()).digest
    assert Recipe(quality=Quality(50)).digest != Recipe(quality=Quality()).digest
