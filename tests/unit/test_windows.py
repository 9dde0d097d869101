"""Which mel columns belong to which frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from w2l.windows import fits, frame_mel_windows, mel_start, mel_window, start_frames

COLUMNS = np.tile(np.arange(400, dtype=np.float32), (80, 1))  # column c holds c


def test_starts_are_truncated_not_rounded() -> None:
    assert [mel_start(f) for f in range(7)] == [0, 3, 6, 9, 12, 16, 19]
    assert mel_start(4) == 12  # 12.8: rounding gives 13


def test_starts_equal_the_published_formula_for_usual_rates() -> None:
    for fps in (25.0, 30.0, 50.0, 60.0, 24.0):
        assert [mel_start(i, fps) for i in range(2000)] == [int(i * 80 / fps) for i in range(2000)]
    assert mel_start(30000, Fraction(30000, 1001)) == 80080


def test_window_is_sixteen_columns_from_its_start() -> None:
    window = mel_window(COLUMNS, 7)
    assert window.shape == (80, 16)
    assert window[0, 0] == 22
    assert window[0, -1] == 37


def test_a_window_that_does_not_fit_is_refused() -> None:
    assert fits(5, 32)
    assert not fits(5, 31)
    assert not fits(-1, 100)
    with pytest.raises(ValueError, match="does not fit"):
        mel_window(COLUMNS[:, :31], 5)


def test_each_frames_own_window_leads_by_one_frame_in_training() -> None:
    published = frame_mel_windows(COLUMNS, 10)
    assert published[:, 0, 0].tolist() == [mel_start(f) for f in (9, 10, 11, 12, 13)]
    aligned = frame_mel_windows(COLUMNS, 10, lead_frames=0)
    assert aligned[:, 0, 0].tolist() == [mel_start(f) for f in (10, 11, 12, 13, 14)]
    with pytest.raises(ValueError, match="does not fit"):
        frame_mel_windows(COLUMNS, 0)


def test_start_frames_need_five_in_a_row() -> None:
    present = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 20])
    assert start_frames(present).tolist() == [0, 1, 7]
    assert start_frames(np.array([1, 2, 3])).size == 0
