"""Pairs that people judge, and what their answers come to."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from evaluation.keys import Evaluation
from evaluation.people import Vote, bradley_terry, people, summary
from tests.settings import settings_of
from tests.writing import write_wav
from w2l.errors import UserError
from w2l.video import AudioTrack, VideoReader, VideoWriter

QUIET = Console(quiet=True)


def clip(path: Path, level: int, tone: float) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    wav = path.with_suffix(".wav")
    write_wav(wav, 0.3 * np.sin(np.arange(8000) * tone))
    with VideoWriter(path, 25, (64, 48), AudioTrack(wav)) as writer:
        for _ in range(12):
            writer.write(np.full((48, 64, 3), level, np.uint8))
    return str(path)


@pytest.fixture
def settings(tmp_path: Path) -> dict:
    """Two methods: one video with the same sound, one with another."""
    files = []
    for name, level, tones in (("dark", 40, (0.1, 0.1)), ("bright", 200, (0.1, 0.3))):
        clips = []
        for i, tone in enumerate(tones):
            path = clip(tmp_path / name / f"{i}.mp4", level, tone)
            clips.append({"path": path, "tracks": [{"lse_d": 7.0}]})
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(
            {"protocol": "track", "settings": {}, "weights": {}, "clips": clips}
        ))  # fmt: skip
        files.append(str(file))
    return {"compare": files, "pairs": str(tmp_path / "out"), "seed": 1, "resamples": 200}


def test_pairs_are_written_and_their_answers_read(settings: dict, tmp_path: Path) -> None:
    people(settings_of(Evaluation, **settings), QUIET)
    out = tmp_path / "out"
    key = list(csv.DictReader((out / "key.csv").read_text().splitlines()))
    assert {row["video"][-5] for row in key} == {"0", "1"}
    for row in key:
        frames = list(VideoReader(out / row["pair"]))
        in_turn = row["video"].endswith("1.mp4")
        assert len(frames) == (24 if in_turn else 12), "another sound: one after the other"
        left, right = frames[0][24, 30], frames[0][24, -10]
        assert abs(int(left[0]) - (40 if row["left"] == "dark" else 200)) < 4
        shown = 40 if row["right"] == "dark" else 200
        assert abs(int(right[0]) - (shown // 4 if in_turn else shown)) < 4
        assert frames[0][24, 70].min() > 240, "the gap"
    page = (out / "index.html").read_text()
    assert "dark" not in page.replace("darker", "")
    assert page.count("<video") == 2
    reading = settings | {"compare": None}
    with pytest.raises(UserError, match="holds no answers"):
        people(settings_of(Evaluation, **reading), QUIET)
    with pytest.raises(UserError, match="holds pairs already"):
        people(settings_of(Evaluation, **settings), QUIET)
    choice = ["left" if row["left"] == "bright" else "right" for row in key]
    lines = [f"{row['pair']},ann,{c}\n" for row, c in zip(key, choice, strict=True)]
    (out / "answers_ann.csv").write_text("pair,rater,choice\n" + "".join(lines))
    people(settings_of(Evaluation, **reading), QUIET)
    found = json.loads((out / "people.json").read_text())
    assert [row["name"] for row in found["methods"]] == ["bright", "dark"]
    assert (found["n_votes"], found["n_raters"], found["n_videos"]) == (2, 1, 2)
    (out / "answers_bob.csv").write_text(f"pair,rater,choice\n{key[0]['pair']},bob,both\n")
    with pytest.raises(UserError, match="choice=both"):
        people(settings_of(Evaluation, **reading), QUIET)


def test_strengths_are_found_again_and_lie_in_their_intervals() -> None:
    truth = np.array([1.0, 0.2, -1.2])
    rng = np.random.default_rng(0)
    votes = []
    for video in range(150):
        for a, b in ((0, 1), (2, 0), (1, 2)):
            won = rng.random() < 1 / (1 + np.exp(truth[b] - truth[a]))
            votes.append(Vote(str(video), "r", "xyz"[a], "xyz"[b], float(won)))
    found = summary(votes, 300, 0)
    assert [row["name"] for row in found["methods"]] == ["x", "y", "z"]
    for row, wanted in zip(found["methods"], truth, strict=True):
        assert row["score"] == pytest.approx(wanted, abs=0.35)
        assert row["interval"][0] < wanted < row["interval"][1]
        assert row["votes"] == 300
    assert "too few" not in found["note"]


def test_two_methods_by_hand_ties_and_one_that_never_lost() -> None:
    wins = np.array([[0, 3.0], [1.0, 0]])
    assert np.diff(bradley_terry(wins))[0] == pytest.approx(np.log(1.5 / 3.5))
    assert bradley_terry(np.array([[0, 5.0], [0, 0]])) == pytest.approx(
        [np.log(11) / 2, -np.log(11) / 2]
    )
    tied = summary([Vote("v", "r", "a", "b", 0.5)], 50, 0)
    assert [row["score"] for row in tied["methods"]] == pytest.approx([0, 0])
    assert "too few" in tied["note"]
