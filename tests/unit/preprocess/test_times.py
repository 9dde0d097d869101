"""Where the time of a run went."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from preprocess.prepare import prepare
from preprocess.report import Report
from preprocess.settings import Job, Recipe
from preprocess.sources import Folder
from preprocess.times import Times
from tests.unit.preprocess.clips import good


def fails_after(seconds: float) -> None:
    time.sleep(seconds)
    raise ZeroDivisionError


def test_times_add_up_and_are_told_longest_first():
    times = Times()
    for _ in range(2):
        with times.step("short"):
            time.sleep(0.001)
    with pytest.raises(ZeroDivisionError), times.step("long"):
        fails_after(0.02)
    assert times["long"] >= 0.02
    assert 0.002 <= times["short"] < times["long"]
    whole = Times(a=1.0)
    whole.update(Times(a=2.0, b=1.0))
    assert str(whole) == "a 75 %, b 25 %"
    assert str(Times()) == ""


def test_a_run_says_where_its_time_went(tmp_path):
    good(tmp_path / "in" / "a" / "1.mp4")
    console = Console(file=io.StringIO(), width=200)
    job = Job(Folder(tmp_path / "in"), tmp_path / "out", engine="serial")
    for words in (["time of the workers: ", "faces", "crops", " %"], []):  # nothing to do: nothing
        prepare(job, Recipe(), Report(console))
        said = console.file.getvalue()
        assert all(word in said for word in words)
        if not words:
            assert "time of the workers" not in said
        console.file = io.StringIO()
