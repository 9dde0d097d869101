"""What `infer.py` says of, and takes for, what it reads."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.unit.video.test_clocks import two_tracks
from tests.unit.video.test_moving import woven
from w2l.cli.infer_report import show_input, show_rate
from w2l.cli.infer_settings import build_source, build_voice, check_choices
from w2l.cli.page_jobs import defaults_of
from w2l.errors import UserError


def settings(**given: Any) -> dict[str, Any]:
    return defaults_of("infer", published=False) | given


def said(capsys: pytest.CaptureFixture[str], given: dict[str, Any], face: Path, audio: Path) -> str:
    source, voice = build_source(given, face), build_voice(given, face, audio)
    show_input(source, voice.track, Console(soft_wrap=True, markup=False, highlight=False))
    return capsys.readouterr().out


def test_a_line_says_which_track_and_that_fields_are_made_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face, audio = woven(tmp_path / "face.mkv"), two_tracks(tmp_path / "audio.mkv", 1)
    first, second = said(capsys, settings(), face, audio).splitlines()
    assert "face.mkv is interlaced" in first
    assert "audio.mkv: sound track 2 of 2" in second
    (line,) = said(capsys, settings(deinterlace=False, audio_track=1), face, audio).splitlines()
    assert "sound track 1 of 2" in line


def test_too_few_images_for_lips_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    for fps, warned in ((Fraction(1, 3), True), (Fraction(10), False)):
        show_rate(fps, Console(soft_wrap=True))
        assert ("0.333 images a second" in capsys.readouterr().out) == warned


def test_fps_is_that_of_the_result(tmp_path: Path) -> None:
    face = woven(tmp_path / "face.mkv")
    assert build_source(settings(), face).fps == 25
    assert build_source(settings(fps=29.97), face).fps == Fraction(30_000, 1001)
    with pytest.raises(UserError, match="audio_track=0 must be a whole number, 1 or more"):
        check_choices(settings(audio_track=0))
    with pytest.raises(UserError, match="fps=0 is too small"):
        check_choices(settings(fps=0))
