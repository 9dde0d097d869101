"""`log_mel` beside librosa's, which the published systems use."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from tests.integration.command import environment
from w2l.audio.mel import BLOCK_COLUMNS, HOP_LENGTH, log_mel

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def librosa() -> ModuleType:
    """librosa, whose parts are imported when they are used."""
    return importlib.import_module("librosa")


def by_librosa(librosa: ModuleType, waveform: np.ndarray) -> np.ndarray:
    """As the release computes it, with the padding of the librosa that it pins."""
    emphasised = np.append(waveform[:1], waveform[1:] - 0.97 * waveform[:-1])
    spectrum = librosa.stft(emphasised, n_fft=800, hop_length=200, pad_mode="reflect")
    basis = librosa.filters.mel(sr=16000, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    decibel = 20 * np.log10(np.maximum(1e-5, basis @ np.abs(spectrum))) - 20
    return np.clip(8 * (decibel + 100) / 100 - 4, -4, 4)


@pytest.mark.long  # compiling takes 20 s where nobody has done it; the golden columns are for all
@pytest.mark.parametrize("n", [900, 16000, HOP_LENGTH * BLOCK_COLUMNS, 70 * 16000 + 77])
def test_it_is_librosas(n: int, librosa: ModuleType) -> None:
    waveform = (0.1 * RNG.standard_normal(n)).astype(np.float32)
    waveform[n // 2 : n // 2 + 2000] = 0  # silence meets both floors
    expected = by_librosa(librosa, waveform)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(log_mel(waveform), expected, rtol=0, atol=1e-6)


HEAVY = ("librosa", "numba", "torchmetrics", "scipy.signal", "scipy.optimize")


@pytest.mark.parametrize(
    ("command", "heavy"),
    [
        ("infer", (*HEAVY, "matplotlib", "scipy", "scenedetect")),
        ("evaluate", (*HEAVY, "scenedetect")),
        pytest.param("train", ("numba", "wandb", "scenedetect"), marks=pytest.mark.long),
    ],
)
def test_commands_do_without_what_is_heavy(command, heavy, tmp_path) -> None:
    """They cost a user seconds and hundreds of megabytes before the first frame."""
    code = f"import sys, w2l.cli.{command}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
