"""Lips against sound: offsets, THEval's three, leaks, on mouths that are made up."""

from __future__ import annotations

import numpy as np
import pytest

from w2l.metrics import lips
from w2l.scoring.lips import BELIEVED, measure, summarized
from w2l.scoring.paper import video_values

N = 250


def mouth(gap: np.ndarray) -> np.ndarray:
    """68 points whose lips are `gap` (F,) pixels apart; eyes 100 px, a mouth 40 px wide."""
    points = np.random.default_rng(0).uniform(0, 100, (1, 68, 2)).repeat(len(gap), axis=0)
    points[:, [36, 39, 42, 45], 0] = [0, 30, 70, 100]
    points[:, [36, 39, 42, 45], 1] = 50
    points[:, 48:68, 0] = np.linspace(30, 70, 20)
    points[:, 48:68, 1] = 80.0
    points[:, 60], points[:, 64] = (30, 80), (70, 80)
    for upper, lower in ((lips.UPPER, lips.LOWER), (lips.OUTER_UPPER, lips.OUTER_LOWER)):
        for at, (u, low) in enumerate(zip(upper, lower, strict=True)):
            points[:, u] = np.stack([np.full(len(gap), 45.0 + 5 * at), 80 - gap / 2], axis=1)
            points[:, low] = np.stack([np.full(len(gap), 45.0 + 5 * at), 80 + gap / 2], axis=1)
    return points


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, np.ndarray]:
    """How loud each frame is, and noise that is so loud."""
    rng = np.random.default_rng(1)
    level = np.clip(np.convolve(rng.normal(0, 1, N + 8), np.ones(4) / 2, "same")[4:-4], 0, None)
    times = np.arange(N * 640) / 640
    sound = rng.normal(0, 0.1, N * 640) * np.interp(times, np.arange(N), level) ** 2
    return level, sound


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech from second 1 to 9."""
    monkeypatch.setattr("w2l.scoring.lips.find_speech", lambda sound: np.array([[1.0, 9.0]]))


@pytest.mark.parametrize("delay", [0, 5, -7])
def test_the_offset_is_found_and_its_sign_is_that_of_lse(speech, heard, delay) -> None:
    level, sound = speech
    got = measure(mouth(10 * level), np.roll(sound, 640 * delay))  # later sound: negative
    assert (got["lip_offset"], got["lip_believed"]) == (-delay, True)


def test_other_sound_and_a_still_mouth_are_not_believed(speech, heard) -> None:
    level, sound = speech
    other = measure(mouth(10 * np.roll(level[::-1], 90)), sound)
    assert other["lip_confidence"] < BELIEVED
    still = measure(mouth(np.zeros(N)), sound)
    assert (still["lip_offset"], still["lip_confidence"], still["lip_believed"]) == (0, 0.0, False)
    assert still["lip_sync"] is None, "nothing to be normalised"
    none = [still[key] for key in ("lip_dynamics", "silent_stability", "lip_leak")]
    assert none == pytest.approx([0, 0, 0], abs=1e-20)
    content = {"clips": [{"path": "a", "error": "x"}], "lips": {"clips": [{"path": "a", **still}]}}
    printed = video_values(content)["a"]
    assert not {"lip_offset_abs", "lip_leak"} & printed.keys(), "a still mouth is no good one"


def test_onsets_tell_where_the_loudness_does_not_change() -> None:
    """A hum that changes its pitch keeps its loudness; the mouth opens with each new one."""
    times = np.arange(N * 640) / 16000
    starts = np.cumsum(np.random.default_rng(3).integers(8, 17, 16)) * 640
    pitch = 300 + 170 * (np.searchsorted(starts, np.arange(N * 640), "right") % 3)
    bands = lips.speech_bands(0.1 * np.sin(2 * np.pi * np.cumsum(pitch) / 16000) + 0 * times)
    loud = lips.loudness(bands, N)[5:-5]
    assert np.ptp(loud) < 0.25 * loud.mean()
    found = lips.onsets(bands, N)
    frames = starts[starts < 240 * 640] // 640
    assert found[frames].min() > 3 * np.median(found)
    opened = np.zeros(N)
    opened[frames], opened[frames + 1] = 0.5, 1.0  # half open as the sound begins
    assert lips.best_shift(lips.sync_curve(opened, bands))[0] == 0
    assert lips.best_shift(lips.sync_curve(np.roll(opened, -6), bands))[0] == -6


def test_thevals_numbers_by_hand(speech, heard) -> None:
    level, sound = speech
    gap = 10 * level
    got = measure(mouth(gap), sound)
    silent = np.r_[0:25, 226:250]
    opened = gap / 100
    want = np.median(np.abs(opened[silent] - opened[silent].mean()))
    assert got["silent_stability"] == pytest.approx(want)
    assert got["lip_leak"] == pytest.approx((gap[silent] > 0.15 * 40).mean())
    blocks = np.sqrt(
        [np.mean(sound[max(0, 800 * k - 400) : 800 * k + 400] ** 2) for k in range(N * 640 // 800)]
    )
    loud = np.interp(np.arange(N) / 25, np.arange(len(blocks)) * 0.05, blocks)[25:226]
    spoken = gap[25:226] / 70
    normal = [(x - x.min()) / np.ptp(x) for x in (spoken, loud)]
    assert got["lip_sync"] == pytest.approx(np.abs(normal[0] - normal[1]).mean(), abs=0.002)
    assert lips.theval_dynamics(mouth(2 * gap)) > got["lip_dynamics"] > 0


def test_a_muted_video_leaks_by_its_mouth_alone(speech) -> None:
    level, _ = speech
    talks = measure(mouth(10 * level), np.zeros(N * 640))
    closed = measure(mouth(np.full(N, 1.0)), np.zeros(N * 640))
    assert talks["is_silent"]
    assert talks["lip_leak"] == pytest.approx((10 * level > 6).mean())
    assert closed["lip_leak"] == 0
    assert "lip_offset" not in talks


def test_clips_share_an_offset_that_none_of_them_is_sure_of(speech, heard) -> None:
    level, sound = speech
    rng = np.random.default_rng(2)
    rows = []
    for i in range(12):
        part = slice(15 * i, 15 * i + 75)
        noisy = 10 * level[part] + rng.normal(0, 9, 75)
        rows.append(measure(mouth(noisy), sound[640 * part.start : 640 * part.stop]))
    found = summarized([{"path": str(i), **row} for i, row in enumerate(rows)])
    assert sum(row["lip_believed"] for row in rows) < 6
    assert found["shared_offset"]["offset"] == 0
    assert found["shared_offset"]["believed"]
    assert (found["n_scored"], found["n_failed"]) == (12, 0)
