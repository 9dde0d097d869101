"""Audio as the published script reads it: librosa's own numbers, where the rate is another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.unit.audio.test_mel import librosa  # noqa: F401  (a fixture)
from w2l.audio.published import load_published
from w2l.audio.waveform import load_audio, write_wav


def speech(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((round(seconds * rate), channels))
    return noise.astype(np.float32)


@pytest.mark.filterwarnings("ignore:.* is deprecated and slated:DeprecationWarning")  # audioread
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2), (8_000, 1)])
def test_it_is_what_librosa_loads(
    rate: int,
    channels: int,
    tmp_path: Path,
    librosa,  # noqa: F811
) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, speech(0.03, rate, channels).squeeze(), rate)
    expected, _ = librosa.load(path, sr=16_000, res_type="kaiser_best")
    found = load_published(path, say=print)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)
    ours = load_audio(path)[: len(found)]
    assert np.abs(ours - found[: len(ours)]).max() > 1e-4, "another resampler would do as well"


def test_sixteen_kilohertz_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, speech(0.1, 16_000).squeeze(), 16_000)
    assert np.array_equal(load_published(path, say=print), load_audio(path))
    code = (
        "import sys; from w2l.audio.published import load_published;"
        f"load_published({str(path)!r}, say=print); assert 'librosa' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
