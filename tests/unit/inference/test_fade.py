"""Faces that are turned away or uncertain go back to the source, without a flicker."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from w2l.components import Faces
from w2l.faces.track import MODEL
from w2l.inference.fade import FADE, SOFT_SCORE, TURNED, UNSURE, strengths
from w2l.inference.plan import FaceOptions, find_faces

RUN = [(0, 60)]


def fade(scores=None, turns=None, runs=RUN, max_turn=50.0, min_score=0.5):
    n = runs[-1][1]
    scores = np.ones(n) if scores is None else scores
    turns = np.zeros(n) if turns is None else turns
    return strengths(scores, turns, runs, max_turn, min_score)


def test_within_the_limits_all_is_shown_exactly() -> None:
    shown, reasons = fade(scores=np.full(60, 0.5 + SOFT_SCORE), turns=np.linspace(-45, 45, 60))
    assert (shown == 1).all()
    assert reasons == {}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_turned_head_fades_out_and_in(sign: int) -> None:
    turns = np.where((np.arange(60) >= 20) & (np.arange(60) < 40), sign * 70.0, 0)
    shown, reasons = fade(turns=turns)
    assert (shown[:16] == 1).all()
    assert (shown[24:36] == 0).all()
    assert (shown[44:] == 1).all()
    assert np.abs(np.diff(shown)).max() <= 1 / FADE + 1e-6
    assert reasons == dict.fromkeys(range(24, 36), TURNED)


def test_a_turned_head_that_is_lost_and_found_stays_left_alone() -> None:
    turns = np.full(60, 80.0)
    turns[25:35] = np.nan
    shown, reasons = fade(turns=turns)
    assert (shown == 0).all()
    assert reasons == dict.fromkeys(range(60), TURNED)


def test_uncertain_faces_fade() -> None:
    scores = np.where(np.arange(60) < 30, 0.9, 0.4)
    shown, reasons = fade(scores=scores)
    assert (shown[:26] == 1).all()
    assert sorted(reasons) == list(range(34, 60))
    assert set(reasons.values()) == {UNSURE}


def test_a_single_odd_frame_does_not_show() -> None:
    turns = np.zeros(60)
    turns[[20, 40, 41]] = 90
    assert (fade(turns=turns)[0] == 1).all()


def test_noise_around_the_limit_does_not_flicker() -> None:
    turns = 49 + np.random.default_rng(0).normal(0, 8, 60)
    shown, _ = fade(turns=turns)
    assert 0.05 < shown.mean() < 0.95
    assert np.abs(np.diff(shown)).max() <= 1 / FADE + 1e-6


def test_nothing_reaches_into_another_shot() -> None:
    turns = np.where(np.arange(60) < 30, 90.0, 0)
    shown, _ = fade(turns=turns, runs=[(0, 30), (30, 60)])
    assert (shown[:30] == 0).all()
    assert (shown[30:] == 1).all()


def test_no_limits_no_fade_and_what_is_not_known_is_shown() -> None:
    assert (fade(np.zeros(60), np.full(60, 90.0), RUN, None, None)[0] == 1).all()
    assert (fade(np.full(60, np.nan), np.full(60, np.nan))[0] == 1).all()


def turned(degrees: float) -> np.ndarray:
    """Landmarks (5, 2) of a head turned to the side."""
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    return ((MODEL @ turn.T)[:, :2] * 40 + 100).astype(np.float32)


class Turning:
    """One face that stays in place; its head turns with the frame's number."""

    def detect(self, frames):
        box = np.array([[60, 60, 140, 160]], np.float32)
        return [
            Faces(box, np.ones(1, np.float32), turned(2.0 * float(frame[0, 0, 0]))[None])
            for frame in frames
        ]


def test_a_plan_knows_how_far_a_head_is_turned() -> None:
    frames = [np.full((200, 200, 3), i, np.uint8) for i in range(41)]
    args = ((200, 200), Path("a.mp4"), Fraction(25))
    plan = find_faces(frames, Turning(), FaceOptions(detect_every=1, max_turn=40), *args)
    assert plan.strength(10) == 1
    assert 0 < plan.strength(19) < 1
    # From the landmarks alone 40° look like a little less.
    assert plan.reasons == dict.fromkeys(range(25, 41), TURNED)
    assert plan.box(30) is None
    straight = find_faces(frames, Turning(), FaceOptions(detect_every=1, max_turn=None), *args)
    assert straight.reasons == {}
    assert straight.strength(40) == 1
