"""How much of each frame is generated where nobody is heard."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from w2l.audio.mel import SILENCE
from w2l.inference.silence import AFTER_SOUND, FADE_S, NO_VOICE, find_activity, near
from w2l.inference.timeline import MelWindows

FPS = Fraction(25)
SPEECH = np.array([[1.0, 2.0], [2.2, 3.0]])


def test_near_is_one_inside_and_fades_outside():
    times = np.linspace(0, 4, 401)
    got = near(times, SPEECH)
    for time, share in zip(times, got, strict=True):  # by its definition, span by span
        distance = min(max(a - time, time - b, 0) for a, b in SPEECH)
        assert share == pytest.approx(max(0, 1 - distance / FADE_S), abs=1e-6), time
    assert near(times, np.zeros((0, 2))).max() == 0


def test_pass_shows_the_source_where_no_voice_is():
    found = find_activity(100, FPS, Fraction(4), SPEECH, "pass")
    assert (found.strength[25:51] == 1).all()
    assert (found.loudness == 1).all()
    # Frames 21 to 24 fade in, 51 to 53 out, and the short pause between is never left alone.
    np.testing.assert_allclose(found.strength[20:26], [0, 0, 0.25, 0.5, 0.75, 1], atol=1e-6)
    assert set(found.reasons) == {*range(22), *range(79, 100)}
    assert set(found.reasons.values()) == {NO_VOICE}


def test_close_changes_what_is_heard_and_not_what_is_seen():
    found = find_activity(100, FPS, Fraction(4), SPEECH, "close")
    assert (found.strength == 1).all()
    assert found.reasons == {}
    passed = find_activity(100, FPS, Fraction(4), SPEECH, "pass")
    np.testing.assert_array_equal(found.loudness, passed.strength)
    assert [i for i in range(100) if found.is_closed(i)] == sorted(passed.reasons)


@pytest.mark.parametrize("silence", ["sync", "close", "pass"])
def test_after_the_sound_images_are_left_alone(silence):
    found = find_activity(100, FPS, Fraction(2), np.array([[0.0, 1.99]]), silence)
    assert {i for i, why in found.reasons.items() if why == AFTER_SOUND} == set(range(54, 100))
    assert (np.diff(found.strength) <= 0).all()


def test_a_window_fades_towards_silence():
    mel = np.random.default_rng(0).uniform(-4, 4, (80, 400)).astype(np.float32)
    windows = MelWindows(mel, FPS, 100)
    plain = [windows[i].copy() for i in range(100)]
    windows.activity = find_activity(100, FPS, Fraction(4), SPEECH, "close")
    np.testing.assert_array_equal(windows[30], plain[30])
    assert (windows[10] == SILENCE).all()
    np.testing.assert_allclose(windows[23], (plain[23] + SILENCE) / 2, atol=1e-5)
