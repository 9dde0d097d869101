"""Nothing of a face is carried over a cut."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from w2l.components import Faces
from w2l.inference.plan import NO_FACE, FaceOptions, FacePlan, find_faces
from w2l.inference.search import detect
from w2l.video.shots import CutWatch

SIZE = (120, 160)  # height, width
FACE = (30.0, 20.0, 80.0, 90.0)
NEAR = (42.0, 20.0, 92.0, 90.0)  # overlaps FACE enough to be taken for it
SHADES = {"a": (200, 60, 40), "b": (30, 160, 220)}  # BGR of two scenes


class Script:
    """A detector that answers by the frame's number, which the frame holds in a pixel."""

    def __init__(self, script) -> None:
        self.script, self.asked = script, []

    def detect(self, frames):
        numbers = [int(frame[0, 0, 0]) for frame in frames]
        self.asked += numbers
        return [Faces.of(np.array(self.script[n], np.float32).reshape(-1, 4)) for n in numbers]


def film(scenes: str):
    for number, scene in enumerate(scenes):
        frame = np.full((*SIZE, 3), SHADES[scene], np.uint8)
        frame[0, 0] = number
        yield frame


def plan(scenes: str, script, **options) -> FacePlan:
    settings = {"detect_every": 1, "smooth": False, "pads": (0, 0, 0, 0), **options}
    return find_faces(
        film(scenes), Script(script), FaceOptions(**settings), SIZE, Path("a.mp4"), Fraction(25)
    )


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_cuts_are_known_when_their_frame_comes(fps) -> None:
    cuts, known = CutWatch(fps), []
    for _ in cuts.watch(film("aaaaaabbbbabbb")):
        known.append(cuts.starts[-1])
    assert cuts.starts == [0, 6, 10, 11]
    assert known == [0] * 6 + [6] * 4 + [10] + [11] * 3


def test_a_gap_at_a_cut_is_not_bridged() -> None:
    gap = [[FACE]] * 10 + [[]] * 3 + [[FACE]] * 10
    assert plan("a" * 23, gap).reasons == {}
    assert plan("a" * 11 + "b" * 12, gap).reasons == dict.fromkeys((10, 11, 12), NO_FACE)


def test_an_insert_shorter_than_a_gap_is_left_alone() -> None:
    gap = [[FACE]] * 10 + [[]] * 3 + [[FACE]] * 10
    assert sorted(plan("a" * 10 + "bbb" + "a" * 10, gap).reasons) == [10, 11, 12]


def test_boxes_are_not_smoothed_over_a_cut() -> None:
    script = [[FACE]] * 10 + [[NEAR]] * 10
    joined, cut = (plan(s, script, smooth=True) for s in ("a" * 20, "a" * 10 + "b" * 10))
    assert joined.boxes[9, 0] not in (FACE[0], NEAR[0])
    np.testing.assert_array_equal(cut.boxes[:10], np.tile(FACE, (10, 1)))
    np.testing.assert_array_equal(cut.boxes[10:], np.tile(NEAR, (10, 1)))


def test_detection_between_key_frames_does_not_reach_over_a_cut() -> None:
    """Two scenes so alike for the quick look at a few pixels that only the shots tell."""
    script = [[FACE]] * 7 + [[NEAR]] * 9

    def alike():
        for number in range(16):
            frame = np.full(
                (*SIZE, 3), (120, 100, 100) if number < 7 else (100, 100, 120), np.uint8
            )
            frame[0, 0] = number
            yield frame

    detector = Script(script)
    found = detect(alike(), detector, Fraction(25), every=5)
    assert found.shots == [0, 7]
    assert sorted(detector.asked) == [0, 5, 6, 7, 8, 9, 10, 15]
    assert [f.boxes[0, 0] for f in found.faces[5:9]] == [30, 30, 42, 42]


def test_hold_ends_with_the_shot() -> None:
    script = [[FACE]] * 8 + [[]] * 4 + [[]] * 10 + [[]] * 6 + [[NEAR]] * 8
    found = plan("a" * 12 + "b" * 10 + "a" * 14, script, missing_face="hold")
    assert found.reasons == dict.fromkeys(range(12, 22), NO_FACE)  # nobody in that shot
    np.testing.assert_array_equal(found.box(11), FACE)
    np.testing.assert_array_equal(found.box(22), NEAR)


def test_published_knows_no_cuts() -> None:
    script = [[FACE]] * 10 + [[NEAR]] * 10
    options = {"published": True, "person": "first", "missing_face": "error", "smooth": True}
    one, two = (plan(s, script, **options) for s in ("a" * 20, "a" * 10 + "b" * 10))
    np.testing.assert_array_equal(one.boxes, two.boxes)
    assert one.boxes[7, 0] == 34  # the mean of the five frames ahead
