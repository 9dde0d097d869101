"""Which image and which sound belong to output frame i."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from w2l.inference.timeline import (
    MelWindows,
    frame_count,
    indices,
    published_starts,
    runs,
)
from w2l.windows import frame_mel_windows

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30),
         Fraction(50), Fraction(60)]  # fmt: skip


def shown(n_frames: int, n_source: int, extend: str) -> list[int]:
    return [i for run in runs(n_frames, n_source, extend) for i in indices(run)]


@pytest.mark.parametrize("fps", RATES)
def test_frames_cover_the_sound_and_no_more(fps):
    for n_samples in (1, 16000, 72192, 16000 * 3600 + 7):
        count = frame_count(n_samples, 16000, fps)
        assert count / fps >= Fraction(n_samples, 16000) > (count - 1) / fps


@pytest.mark.parametrize(
    ("extend", "expected"),
    [
        ("pingpong", [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]),
        ("loop", [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]),
        ("freeze", [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3]),
    ],
)
def test_a_short_video_goes_on(extend, expected):
    assert shown(11, 4, extend) == expected


@pytest.mark.parametrize("extend", ["pingpong", "loop", "freeze"])
def test_every_length_is_exact(extend):
    for n_source in (1, 2, 3, 7):
        for n_frames in range(30):
            order = shown(n_frames, n_source, extend)
            assert len(order) == n_frames
            assert set(order) <= set(range(n_source))
            if extend != "loop":  # no jump
                steps = [abs(b - a) for a, b in pairwise(order)]
                assert max(steps, default=0) <= 1
            if extend == "pingpong" and n_source > 1:  # and no image twice in a row
                assert 0 not in steps


def test_a_longer_video_is_cut():
    assert shown(3, 10, "pingpong") == [0, 1, 2]


def test_runs_stay_few_however_long():
    assert len(list(runs(90_000, 75, "pingpong"))) < 1300
    assert len(list(runs(90_000, 1, "pingpong"))) == 2


def test_windows_start_at_the_truncated_column():
    mel = np.tile(np.arange(400, dtype=np.float32) / 100, (80, 1))
    windows = MelWindows(mel, Fraction(30), 20)
    assert [round(float(windows[i][0, 0]) * 100) for i in range(7)] == [0, 2, 5, 8, 10, 13, 16]
    assert windows[19].shape == (80, 16)


def test_a_generator_trained_ahead_is_used_ahead():
    """Frame i hears what training gave it: the window of frame i - 1 at 25 fps, 1/25 s early."""
    mel = np.tile(np.arange(400, dtype=np.float32), (80, 1))
    trained = frame_mel_windows(mel, 10, lead_frames=1)
    windows = MelWindows(mel, Fraction(25), 20, lead_frames=1)
    np.testing.assert_array_equal(trained, [windows[i] for i in range(10, 15)])
    assert windows[0][0, 0] == windows[1][0, 0] == 0
    faster = MelWindows(mel, Fraction(50), 20, lead_frames=1)
    assert [faster[i][0, 0] for i in range(2, 8)] == [int((i - 2) * 1.6) for i in range(2, 8)]


def test_the_end_of_the_sound_is_synced_with_silence_behind_it():
    mel = np.zeros((80, 33), np.float32)
    windows = MelWindows(mel, Fraction(25), 10)
    assert len(windows) == 10
    last = windows[9]  # starts at int(28.8) = 28: five columns of sound
    assert last.shape == (80, 16)
    assert (last[:, :5] == 0).all()
    assert (last[:, 5:] == -4).all()


def test_published_windows():
    """361 columns at 25 fps are 110 frames; the last window is the last 16 columns."""
    starts = published_starts(361, 25.0)
    assert len(starts) == 110
    assert starts[:6] == [0, 3, 6, 9, 12, 16]
    assert starts[-2:] == [345, 345]  # frame 108 ended on the last column, and is repeated
    assert published_starts(362, 25.0)[-2:] == [345, 346]
    mel = np.random.default_rng(0).normal(size=(80, 361)).astype(np.float32)
    windows = MelWindows(mel, Fraction(25))
    assert len(windows) == 110
    np.testing.assert_array_equal(windows[109], mel[:, -16:])


def test_published_windows_leave_out_the_end_that_ours_keep():
    n_samples = 16000 * 10
    ours = frame_count(n_samples, 16000, Fraction(25))
    theirs = len(published_starts(1 + n_samples // 200, 25.0))
    assert ours == 250
    assert ours - theirs == 3
    assert math.isclose((ours - theirs) / 25, 0.12)
