"""LSE against the golden file and a slow reference written apart from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests import fill
from w2l.metrics import (
    LSE,
    confidence_over_time,
    implausible,
    lse,
    offsets,
    pairwise_distances,
    unpadded_lse,
)


def slow_lse(lips: np.ndarray, audio: np.ndarray, vshift: int = 15) -> dict[str, object]:
    """The definition, loop by loop, in NumPy and float64."""
    n, width = lips.shape
    distances = np.zeros((2 * vshift + 1, n))
    for s in range(2 * vshift + 1):
        for i in range(n):
            j = i + s - vshift
            other = audio[j] if 0 <= j < n else np.zeros(width)
            distances[s, i] = (
                sum((float(a) - float(b) + 1e-6) ** 2 for a, b in zip(lips[i], other, strict=True))
                ** 0.5
            )
    mean = [float(row.sum()) / n for row in distances]
    best = mean.index(min(mean))
    median = sorted(mean)[vshift]
    return {
        "distances": distances,
        "curve": mean,
        "lse_d": mean[best],
        "lse_c": median - mean[best],
        "offset": vshift - best,
        "lse_d_at_0": mean[vshift],
        "lse_c_at_0": median - mean[vshift],
    }


def features(n: int, shift: int, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Lips and sound that is `shift` windows late."""
    base = fill.uniform("features", (n, width))
    noise = 0.1 * fill.uniform("noise", (n, width))
    return base, np.roll(base, shift, axis=0) + noise


def test_golden(golden):
    base = fill.uniform("features", (60, 1024))
    lips = base + 0.3 * fill.uniform("lipnoise", (60, 1024))
    audio = np.roll(base, 3, axis=0) + 0.3 * fill.uniform("audnoise", (60, 1024))
    want = np.load(golden / "lse.npz")
    distances = pairwise_distances(torch.from_numpy(lips), torch.from_numpy(audio))
    scores = lse(distances)
    np.testing.assert_allclose(distances, want["distances"], rtol=1e-5)
    np.testing.assert_allclose(scores.curve, want["mean"], rtol=1e-5)
    assert scores.lse_d == pytest.approx(float(want["lse_d"]), rel=1e-5)
    assert scores.lse_c == pytest.approx(float(want["lse_c"]), rel=1e-4)
    assert scores.offset == int(want["offset"]) == -3


@pytest.mark.parametrize(("n", "vshift"), [(40, 15), (7, 15), (1, 15), (20, 4)])
def test_equals_slow_reference(n, vshift):
    lips, audio = features(n, shift=2)
    want = slow_lse(lips, audio, vshift)
    distances = pairwise_distances(torch.from_numpy(lips), torch.from_numpy(audio), vshift)
    got = lse(distances)
    np.testing.assert_allclose(distances, want["distances"], rtol=1e-5)
    np.testing.assert_allclose(got.curve, want["curve"], rtol=1e-5)
    for name in LSE._fields[:-1]:
        assert getattr(got, name) == pytest.approx(want[name], rel=1e-4, abs=1e-5), name


@pytest.mark.parametrize("early", [-7, -1, 0, 4, 15])
def test_offset_is_positive_where_the_sound_is_early(early):
    lips, audio = features(60, shift=-early)  # window i's sound is found at i - early
    scores = lse(pairwise_distances(torch.from_numpy(lips), torch.from_numpy(audio)))
    assert scores.offset == early
    assert scores.lse_d == scores.curve[offsets() == early].item()
    assert scores.lse_d_at_0 == scores.curve[offsets() == 0].item()
    assert scores.lse_d_at_0 >= scores.lse_d
    worse = scores.lse_d_at_0 - scores.lse_d
    assert scores.lse_c_at_0 == pytest.approx(scores.lse_c - worse, abs=1e-5)


def test_zero_padding_counts():
    """At the extreme shift every window of a short clip meets zeros: its distance is its norm."""
    lips, audio = (torch.from_numpy(x) for x in features(10, shift=0))
    distances = pairwise_distances(lips, audio)
    torch.testing.assert_close(distances[0], lips.norm(dim=1))
    torch.testing.assert_close(distances[-1], lips.norm(dim=1))


def test_epsilon_is_torchs():
    same = torch.zeros(3, 4)
    torch.testing.assert_close(pairwise_distances(same, same, 0), torch.full((1, 3), 2e-6))


@pytest.mark.parametrize(
    ("lips", "audio", "message"),
    [
        (torch.zeros(0, 8), torch.zeros(0, 8), "at least 6 frames"),
        (torch.zeros(5, 8), torch.zeros(4, 8), r"\(5, 8\) and \(4, 8\)"),
        (torch.zeros(5), torch.zeros(5), "must both be"),
    ],
)
def test_wrong_embeddings_are_refused(lips, audio, message):
    with pytest.raises(ValueError, match=message):
        pairwise_distances(lips, audio)


@pytest.mark.parametrize(
    "distances", [torch.zeros(30, 4), torch.zeros(31, 0), torch.full((31, 2), torch.nan)]
)
def test_wrong_distances_are_refused(distances):
    with pytest.raises(ValueError, match="distances must be"):
        lse(distances)


@pytest.mark.parametrize(("n", "early"), [(60, 3), (20, -2), (8, 0), (1, 0)])
def test_without_padding_only_real_sound_counts(n, early):
    lips, audio = features(n, shift=-early)
    curve = {}
    for offset in range(-15, 16):
        pairs = [(i, i - offset) for i in range(n) if 0 <= i - offset < n]
        if 2 * len(pairs) >= n:
            apart = [np.linalg.norm(lips[i] - audio[j] + 1e-6) for i, j in pairs]
            curve[offset] = float(np.mean(apart))
    got = unpadded_lse(pairwise_distances(torch.from_numpy(lips), torch.from_numpy(audio)))
    named = dict(zip(offsets().tolist(), got.curve.tolist(), strict=True))
    assert {k: v for k, v in named.items() if v == v} == pytest.approx(curve, rel=1e-5)
    best = min(curve, key=curve.__getitem__)
    assert got.offset == best == early
    assert got.lse_d == pytest.approx(curve[best], rel=1e-5)
    assert got.lse_d_at_0 == pytest.approx(curve[0], rel=1e-5)
    ordered = sorted(curve.values())
    assert got.lse_c == pytest.approx(ordered[(len(ordered) - 1) // 2] - curve[best], abs=1e-4)


def test_the_length_of_a_clip_does_not_move_the_unpadded_score():
    """The published one rises or falls with the share of zeros."""
    lips, audio = (torch.from_numpy(x) for x in features(400, shift=0))
    short, long = (pairwise_distances(lips[:n], audio[:n]) for n in (24, 400))
    padded = abs(lse(short).lse_c - lse(long).lse_c)
    assert abs(unpadded_lse(short).lse_c - unpadded_lse(long).lse_c) < padded / 3


def test_confidence_falls_where_lips_and_sound_part():
    lips, audio = (torch.from_numpy(x) for x in features(80, shift=0))
    audio[40:] = audio[40:].flip(0)
    distances = pairwise_distances(lips, audio)
    confidence = confidence_over_time(distances)
    assert confidence.shape == (80,)
    assert confidence[5:35].min() > confidence[45:75].max()
    plain = lse(distances).curve.median() - distances[15]
    assert confidence[20] == plain[16:25].median()


def test_pairs_of_numbers_that_no_video_has():
    assert implausible(13.3, 5.4)
    assert implausible(197.7, 0.2), "of random weights"
    assert implausible(0.3, 0.0)
    assert not implausible(6.4, 7.8)
    assert not implausible(13.3, 0.5)
