"""A set's means as a paper has them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from w2l.scoring import results
from w2l.scoring.paper import write_paper_tables
from w2l.scoring.results import ClipScore, mean_of_videos


def test_each_video_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "mean_scores", lambda clips: clips[0].tracks[0].means)
    blank = dict.fromkeys((*results.SCORES, "cosine", "cosine_offset"))
    values = [{"lse_d": 8.0}, {"lse_d": 6.0, "cosine": 0.5}]
    clips: list[Any] = [SimpleNamespace(tracks=[SimpleNamespace(means=blank | v)]) for v in values]
    means = mean_of_videos([*clips, ClipScore("x.mp4", error="none")])
    assert (means["lse_d"], means["cosine"], means["lse_c"]) == (7.0, 0.5, None)


def test_markdown_and_latex(tmp_path: Path) -> None:
    means = {"lse_d": 7.25, "lse_c": 5.0, "offset": -1.0, "cosine": None}
    scores = {
        "protocol": "track", "offset_unit": "frames", "n_tracks": 14, "n_scored": 8, "n_failed": 1,
        "mean": means, "mean_of_videos": means | {"lse_d": 6.5},
    }  # fmt: skip
    write_paper_tables(scores, tmp_path / "scores.json")
    lines = (tmp_path / "scores.md").read_text().splitlines()
    assert lines[0] == "|  | n | LSE-D ↓ | LSE-C ↑ | offset | cosine ↑ |"
    assert lines[2:4] == [
        "| mean of the faces | 14 | 7.250 | 5.000 | -1.000 | – |",
        "| mean of the videos | 8 | 6.500 | 5.000 | -1.000 | – |",
    ]
    tex = (tmp_path / "scores.tex").read_text()
    assert r"mean of the videos & 8 & 6.500 & 5.000 & -1.000 & -- \\" in tex
    assert r"LSE-D $\downarrow$" in tex
