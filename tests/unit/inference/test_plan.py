"""Where faces are, which frames are left untouched, and why."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from w2l import boxes as box_ops
from w2l.components import Faces
from w2l.errors import UserError
from w2l.inference.landmarks import landmarks_of
from w2l.inference.plan import (
    NO_FACE,
    NOT_CHOSEN,
    FaceOptions,
    FacePlan,
    find_faces,
    fixed_plan,
    hold,
)

SIZE = (200, 300)  # height, width


class Script:
    """A detector that answers for each frame what its script says (the frame holds its number)."""

    def __init__(self, script: list[list[tuple[float, ...]]]) -> None:
        self.script = script
        self.asked: list[int] = []

    def detect(self, frames):
        numbers = [int(frame[0, 0, 0]) for frame in frames]
        self.asked += numbers
        return [Faces.of(np.array(self.script[n], np.float32).reshape(-1, 4)) for n in numbers]


def plan(script: list[list[tuple[float, ...]]], **options) -> FacePlan:
    frames = (np.full((*SIZE, 3), i, np.uint8) for i in range(len(script)))
    settings = {"detect_every": 1, "smooth": False, "pads": (0, 0, 0, 0), **options}
    return find_faces(
        frames, Script(script), FaceOptions(**settings), SIZE, Path("talk.mp4"), Fraction(25)
    )


FACE = (50.0, 40.0, 110.0, 120.0)
OTHER = (200.0, 30.0, 250.0, 90.0)


def test_frames_without_a_face_are_left_with_their_reason():
    found = plan([[FACE]] * 20 + [[]] * 5 + [[FACE]] * 20)
    assert found.reasons == dict.fromkeys(range(20, 25), NO_FACE)
    assert found.box(20) is None
    np.testing.assert_array_equal(found.box(25), FACE)


def test_gaps_of_four_frames_are_bridged():
    moved = (54.0, 45.0, 114.0, 125.0)
    found = plan([[FACE]] * 20 + [[]] * 4 + [[moved]] * 20)
    assert found.reasons == {}
    np.testing.assert_array_equal(found.box(21), [51, 42, 111, 122])


def test_a_gap_at_either_end_is_not_bridged():
    found = plan([[]] * 2 + [[FACE]] * 20 + [[]] * 3)
    assert sorted(found.reasons) == [0, 1, 22, 23, 24]


def test_hold_keeps_the_last_box():
    boxes = np.array([[np.nan] * 4, FACE, [np.nan] * 4, OTHER, [np.nan] * 4])
    np.testing.assert_array_equal(hold(boxes), [FACE, FACE, FACE, OTHER, OTHER])
    found = plan([[FACE]] * 20 + [[]] * 9 + [[FACE]] * 5, missing_face="hold")
    assert found.reasons == {}
    np.testing.assert_array_equal(found.box(24), FACE)


def test_error_names_the_first_frame_and_its_time():
    with pytest.raises(UserError, match=r"talk\.mp4 at 0:00\.80 \(frame 20\): no face found"):
        plan([[FACE]] * 20 + [[]] * 9 + [[FACE]] * 5, missing_face="error")


def test_no_face_at_all_is_an_error_in_every_mode():
    for mode in ("pass", "hold", "error"):
        with pytest.raises(UserError, match=r"No face was found in any frame of talk\.mp4"):
            plan([[]] * 12, missing_face=mode)


@pytest.mark.parametrize(
    ("person", "expected"), [("left", FACE), ("right", OTHER), ("largest", FACE)]
)
def test_person(person, expected):
    found = plan([[OTHER, FACE]] * 20, person=person)
    np.testing.assert_array_equal(found.box(7), expected)


def test_nobody_steps_in_while_the_chosen_person_is_away():
    found = plan([[FACE, OTHER]] * 20 + [[OTHER]] * 8 + [[FACE, OTHER]] * 20)
    assert found.reasons == dict.fromkeys(range(20, 28), NOT_CHOSEN)


def test_smoothing_is_steady_and_pads_come_after_it():
    shaky = [[tuple(v + (i % 2) for v in FACE)] for i in range(30)]
    rough = plan(shaky)
    steady = plan(shaky, smooth=True, pads=(1, 10, 2, 3))
    assert np.ptp(rough.boxes[5:25], axis=0).max() == 1
    assert np.ptp(steady.boxes[5:25], axis=0).max() == 0
    np.testing.assert_array_equal(steady.box(10), [48, 39, 113, 130])


def test_published_boxes():
    """First detection, integers, pads, then the release's running mean."""
    rng = np.random.default_rng(0)
    script = [[tuple(np.array(FACE) + rng.uniform(0, 9, 4)), OTHER] for _ in range(12)]
    found = plan(
        script,
        published=True,
        person="first",
        missing_face="error",
        smooth=True,
        pads=(0, 10, 0, 0),
    )
    integers = np.array([script[i][0] for i in range(12)]).astype(int) + [0, 0, 0, 10]
    expected = integers.copy()
    for i in range(12):  # written out as in the reference, section 7
        window = expected[12 - 5 :] if i + 5 > 12 else expected[i : i + 5]
        expected[i] = window.mean(axis=0)
    np.testing.assert_array_equal(found.boxes, expected)
    assert not np.array_equal(found.boxes, integers)


def test_published_stops_at_the_first_missing_face():
    detector = Script([[FACE]] * 3 + [[]] + [[FACE]] * 500)
    frames = (np.full((*SIZE, 3), min(i, 250), np.uint8) for i in range(504))
    options = FaceOptions(published=True, person="first", missing_face="error", detect_every=1)
    with pytest.raises(UserError, match="frame 3"):
        find_faces(frames, detector, options, SIZE, Path("talk.mp4"), Fraction(25))
    assert len(detector.asked) < 50


def test_published_names_the_first_frame_though_it_looked_at_no_other():
    options = FaceOptions(published=True, person="first", missing_face="error", detect_every=1)
    frames = (np.zeros((*SIZE, 3), np.uint8) for _ in range(9))
    with pytest.raises(UserError, match=r"frame 0\): no face found; missing_face=pass"):
        find_faces(frames, Script([[]] * 9), options, SIZE, Path("talk.mp4"), Fraction(25))


def test_a_fixed_box_needs_no_frames():
    box = box_ops.from_tblr([10, 60, 20, 90])
    found = fixed_plan(box, 1_000_000, *SIZE)
    np.testing.assert_array_equal(found.box(999_999), [20, 10, 90, 60])
    assert found.boxes.strides[0] == 0  # one row, however long


def test_a_fixed_box_beyond_the_image_is_refused():
    with pytest.raises(UserError, match=r"\[10, 201, 20, 90\].*300×200"):
        fixed_plan(box_ops.from_tblr([10, 201, 20, 90]), 5, *SIZE)
    for box in ([-5, 0, 40, 40], [40, 0, 10, 40]):
        with pytest.raises(UserError, match="is empty or reaches"):
            fixed_plan(np.array(box), 5, *SIZE)


def test_landmarks_follow_the_chosen_face() -> None:
    """Two faces; the larger one is chosen, unseen in frame 2: its landmarks are between."""

    def faces(frame: int) -> Faces:
        small, large = np.array([200, 20, 230, 60.0]), np.array([40, 20, 140, 160.0])
        large = large + [frame, 0, frame, 0]
        boxes = np.stack([small, large]).astype(np.float32)
        centres = np.stack([boxes[:, :2] + (boxes[:, 2:] - boxes[:, :2]) * 0.75] * 5, axis=1)
        return Faces(boxes, np.ones(2, np.float32), centres.astype(np.float32))

    found = [faces(i) if i != 2 else Faces.none() for i in range(6)]
    chosen = np.stack([faces(i).boxes[1] for i in range(6)])
    landmarks = landmarks_of(found, chosen, chosen)
    assert landmarks is not None
    np.testing.assert_allclose(landmarks[:, 0], [(115 + i, 125) for i in range(6)], atol=0.01)
    assert landmarks_of([Faces.of(chosen[0])] * 6, chosen, chosen) is None
    missing = chosen.copy()
    missing[4] = np.nan
    assert np.isnan(landmarks_of(found, missing, missing)[4]).all()
