"""The table of pipelines: whose numbers are compared, and how far they moved."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evaluation.keys import Evaluation
from evaluation.pipelines import pipelines, show, summary, write
from tests.settings import settings_of
from w2l.building import named_group


def clip(path: str, lse_d: float | None) -> dict[str, Any]:
    if lse_d is None:
        return {"path": path, "n_tracks": 0, "error": f"{path} shows no face."}
    scores = {"lse_d": lse_d, "lse_c": 15 - lse_d, "offset": 1}
    return {"path": path, "n_tracks": 1, "error": None, **scores}


FOUND = {
    "default": {"clips": [clip("a.mp4", 7.0), clip("b.mp4", 8.0), clip("c.mp4", 20.0)]},
    "mochabench": {"clips": [clip("a.mp4", 7.5), clip("b.mp4", 9.0), clip("c.mp4", None)]},
    "lrs": {"clips": [clip("a.mp4", 6.0), clip("b.mp4", 8.0), clip("c.mp4", 1.0)]},
}


def test_means_are_over_the_videos_that_all_score() -> None:
    """c.mp4, which one pipeline leaves out, would move the others' means."""
    scores = summary(FOUND)
    assert scores["n_shared"] == 2
    assert scores["pipelines"]["default"]["mean"]["lse_d"] == 7.5
    assert scores["pipelines"]["mochabench"]["moved"] == {
        "lse_d": 0.75, "lse_c": -0.75, "offset": 0,
    }  # fmt: skip
    assert [pipe["n_scored"] for pipe in scores["pipelines"].values()] == [3, 2, 3]
    assert scores["spread"]["lse_d"] == pytest.approx(1.25)


def test_the_table_is_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = summary(FOUND)
    write(scores, tmp_path)
    show(scores, Console(width=80))
    row = "| mochabench | 2 | 8.250 | +0.750 | 6.750 | -0.750 | +1.00 |"
    assert row in (tmp_path / "pipelines.md").read_text()
    assert json.loads((tmp_path / "pipelines.json").read_text())["n_shared"] == 2
    with (tmp_path / "pipelines.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert (rows[5]["pipeline"], rows[5]["lse_d"], rows[5]["error"]) == (
        "mochabench", "", "c.mp4 shows no face.",
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert "+0.750" in shown
    assert "mochabench: c.mp4: c.mp4 shows no face." in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_no_video_is_shared() -> None:
    scores = summary({name: {"clips": [clip("c.mp4", None)]} for name in FOUND})
    assert (scores["n_shared"], scores["spread"]["lse_d"]) == (0, None)


def test_papers_look_with_s3fd_unless_a_detector_is_given() -> None:
    theirs = pipelines(settings_of(Evaluation, detector=named_group("detector", "s3fd")))
    assert [*theirs] == ["default", "wav2lip", "latentsync", "mochabench", "lrs"]
    assert theirs["default"]["detector"]["_target_"] == "w2l.faces.CenterFace"
    assert theirs["wav2lip"]["detector"]["scale"] == 0.25
    assert (theirs["lrs"]["protocol"], theirs["lrs"]["jpeg"]) == ("lrs", True)
    given = pipelines(settings_of(Evaluation, detector=named_group("detector", "yunet")))
    targets = {settings["detector"]["_target_"] for settings in given.values()}
    assert targets == {"w2l.faces.YuNet"}
    assert all(each["expert"] == "none" for each in given.values())
