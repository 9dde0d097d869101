"""Sound bit by bit: the same spectrogram and the same samples as of the whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from w2l.audio.live import LiveResampler, MelStream
from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.errors import UserError


def sound(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n).astype(np.float32)


def in_chunks(samples: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    chunks, start = [], 0
    while start < len(samples):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(samples[start : start + size])
        start += size
    return chunks


class Columns:
    """The columns of a stream as they become final."""

    def __init__(self) -> None:
        self.stream, self.columns = MelStream(), []

    def push(self, samples: np.ndarray) -> None:
        self.stream.push(samples)
        self.look()

    def look(self) -> None:
        for number in range(len(self.columns), self.stream.n_columns):
            self.columns.append(self.stream.window(number, 1)[:, 0])


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(401, [1]), (640, [0, 7, 640]), (5000, [1, 0, 333]), (16000, [320]), (208_077, [3333])],
)
def test_columns_are_those_of_the_whole_to_the_bit(n: int, sizes: list[int]) -> None:
    samples, columns = sound(n), Columns()
    for chunk in in_chunks(samples, sizes):
        columns.push(chunk)
    columns.stream.finish()
    columns.look()
    np.testing.assert_array_equal(np.stack(columns.columns, 1), log_mel(samples))


def test_a_column_is_final_when_25_ms_more_have_come() -> None:
    stream = MelStream()
    finals = []
    for _ in range(1200):
        stream.push(np.zeros(1, np.float32))
        finals.append(stream.n_columns)
    assert [finals.index(n) + 1 for n in (1, 2, 3, 4, 5)] == [401, 600, 800, 1000, 1200]


def test_what_was_cut_off_leaves_no_trace() -> None:
    first, other, second = sound(20_000), sound(9000, 1), sound(7000, 2)
    columns = Columns()
    for part in (first, other):
        columns.push(part)
    columns.stream.cut(len(first))
    del columns.columns[columns.stream.n_columns :]
    columns.push(second)
    columns.stream.finish()
    columns.look()
    whole = log_mel(np.concatenate([first, second]))
    np.testing.assert_array_equal(np.stack(columns.columns, 1), whole)


def test_old_samples_are_forgotten() -> None:
    stream = MelStream()
    for _ in range(20):
        stream.push(sound(16_000))
    assert stream._samples.nbytes + stream._mel.nbytes < 20 * 16_000 * 4 / 2
    with pytest.raises(ValueError, match="forgotten"):
        stream.window(0, 16)
    with pytest.raises(ValueError, match="forgotten"):
        stream.samples(0, 10)


@pytest.mark.parametrize("rate", [44_100, 48_000, 8000])
@pytest.mark.parametrize("kind", ["int16", "stereo"])
def test_other_rates_are_as_of_a_file(tmp_path: Path, rate: int, kind: str) -> None:
    given = np.random.default_rng(0).normal(0, 0.1, (rate, 2 if kind == "stereo" else 1))
    given = given.astype(np.float32)
    if kind == "int16":
        given = (given * 32767).astype(np.int16)
    wavfile.write(tmp_path / "a.wav", rate, given)
    resampler, parts = LiveResampler(rate), []
    for chunk in in_chunks(given, [1, 0, 441, 960]):
        parts.append(resampler.push(chunk))
    parts.append(resampler.finish())
    expected = load_audio(tmp_path / "a.wav")
    live = np.concatenate(parts)
    assert len(live) == len(expected)
    np.testing.assert_allclose(live, expected, rtol=0, atol=1e-6)
    assert resampler.seconds == 1


def test_nothing_drifts_over_minutes() -> None:
    """Each second begins with a click, which comes where it belongs ten minutes later too."""
    resampler, got = LiveResampler(44_100), 0
    second = np.zeros(44_100, np.float32)
    second[:20] = 1
    places = []
    for number in range(600):
        out = resampler.push(second)
        loud = np.flatnonzero(np.abs(out) > 0.5)
        if len(loud):
            places.append(got + loud[0] - 16_000 * number)
        got += len(out)
    assert len(places) > 590
    assert max(places) - min(places) <= 1
    assert got + len(resampler.finish()) == 600 * 16_000
    assert resampler.seconds == Fraction(600)


@pytest.mark.parametrize(
    "chunk",
    [
        np.zeros(3),
        np.zeros((3, 0), np.float32),
        np.zeros((2, 2, 2), np.float32),
        np.array([np.nan], np.float32),
    ],
)
def test_other_arrays_are_refused(chunk: np.ndarray) -> None:
    with pytest.raises(UserError, match="audio"):
        LiveResampler().push(chunk)


def test_chunks_of_two_kinds_and_no_rate_are_refused() -> None:
    resampler = LiveResampler(48_000)
    resampler.push(np.zeros(480, np.int16))
    with pytest.raises(UserError, match="one kind"):
        resampler.push(np.zeros(480, np.float32))
    with pytest.raises(UserError, match="sample_rate"):
        LiveResampler(0)
