"""Names in tables are printed as they are, brackets and all."""

from __future__ import annotations

import pytest
from rich.console import Console

from w2l.cli.evaluate_images import show
from w2l.cli.evaluate_speaker import speaker_table
from w2l.scoring import Speakers
from w2l.scoring.speaker import Pair

NAME = "talk [bold] [1].mp4"


def test_who_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    pair = Pair(0.5, 0.2, 1)
    speakers = Speakers((f"voice {NAME}", "other.wav"), (0,), ((pair, pair),), (0,))
    Console(width=200).print(speaker_table(speakers, NAME))
    printed = capsys.readouterr().out
    assert f"Who speaks in {NAME}" in printed
    assert printed.count(f"voice {NAME}") == 2  # its column, and whose face it is


def test_images(capsys: pytest.CaptureFixture[str]) -> None:
    compared = {
        "clips": [{"path": NAME, "psnr": 30.0}], "mean": {"psnr": 30.0}, "count": {"psnr": 1},
        "n_scored": 1, "n_failed": 0, "setting": "reconstruction", "protocol": "none",
    }  # fmt: skip
    show(compared, [], Console(width=200))
    assert NAME in capsys.readouterr().out
