"""`evaluate.py` keeps what it has scored when it is killed, and goes on from there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from w2l.scoring import Evaluator

PARTIAL = Path("outputs/evaluate/clips/scores.partial.jsonl")  # the folder that is scored: clips


@pytest.fixture
def folder(clips, tmp_path) -> Path:
    """Three good clips and one that fails."""
    made = tmp_path / "clips"
    for name in ("a/1", "b/1", "c"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clips / "good #1.mp4", made / f"{name}.mp4")
    shutil.copy(clips / "tiny.mp4", made / "b" / "tiny.mp4")
    return made


@pytest.fixture
def scored(monkeypatch) -> list[str]:
    """The names of the clips that are scored; the run ends where `stop` is."""
    names: list[str] = []
    score = Evaluator.score

    def watched(self, video, audio=None):
        if video.name == os.environ.get("W2L_TEST_STOP"):
            raise KeyboardInterrupt
        names.append("/".join(video.parts[-2:]))
        return score(self, video, audio)

    monkeypatch.setattr(Evaluator, "score", watched)
    return names


def test_a_killed_run_goes_on(folder, evaluate, scored, networks, monkeypatch, capsys, tmp_path):
    """And leaves the same files as one that was not; what failed is tried again."""
    given = {"video": folder, "syncnet": networks / "syncnet_v2.model", "report": "true"}
    whole = evaluate(**given)
    assert scored == ["a/1.mp4", "b/1.mp4", "b/tiny.mp4", "clips/c.mp4"]
    assert not PARTIAL.exists()
    wanted = {path.name: path.read_bytes() for path in PARTIAL.parent.iterdir()}
    assert {"scores.json", "scores_1.png", "scores_1_2.png", "scores_c.png"} < wanted.keys()
    shutil.rmtree(PARTIAL.parent)

    scored.clear()
    monkeypatch.setenv("W2L_TEST_STOP", "c.mp4")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        evaluate(**given)
    assert len(scored) == 3
    with PARTIAL.open("ab") as file:
        file.write(b'["half a li')  # it was killed in the middle of a line
    assert not (PARTIAL.parent / "scores.json").exists()

    scored.clear()
    monkeypatch.delenv("W2L_TEST_STOP")
    capsys.readouterr()
    again = evaluate(**given)
    assert scored == ["b/tiny.mp4", "clips/c.mp4"]
    assert "going on after 2 of 4 videos" in capsys.readouterr().out
    assert again == whole
    assert {p.name: p.read_bytes() for p in PARTIAL.parent.iterdir()} == wanted


def test_what_has_changed_is_scored_anew(folder, evaluate, scored, monkeypatch):
    """Another file under the name, a plot that is gone, other settings."""
    monkeypatch.setenv("W2L_TEST_STOP", "c.mp4")

    def stopped(**given) -> list[str]:
        scored.clear()
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            evaluate(video=folder, report="false", **given)
        return [name for name in scored if "tiny" not in name]

    assert stopped() == ["a/1.mp4", "b/1.mp4"]
    assert stopped() == []
    os.utime(folder / "a/1.mp4", (1e9, 1e9))
    assert stopped() == ["a/1.mp4"]
    (PARTIAL.parent / "scores_1_2.png").unlink()
    assert len(stopped()) == 1
    assert stopped(min_face_size=51) == ["a/1.mp4", "b/1.mp4"]
    assert stopped() == []  # what had the first settings is still there
