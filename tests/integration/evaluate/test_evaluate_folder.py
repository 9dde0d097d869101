"""`evaluate.py` on a folder with a good clip and one that is bad in each way: a line for each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.unit.preprocess.clips import write_video
from tests.writing import save_network
from w2l.cli.evaluate import main
from w2l.models import Expert

NAMES = ("faceless", "good", "short", "silent", "truncated")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("clips")
    write_video(made / "good.mp4", face_frames=[True] * 40, seconds_of_sound=1.6, sway=4)
    write_video(made / "silent.mp4", face_frames=[True] * 40, seconds_of_sound=None)
    write_video(made / "faceless.mp4", face_frames=[False] * 40, seconds_of_sound=1.6)
    write_video(made / "short.mp4", face_frames=[True] * 7, seconds_of_sound=0.3)
    (made / "truncated.mp4").write_bytes((made / "good.mp4").read_bytes()[:2000])
    return made


@pytest.mark.parametrize("strict", [False, True])
def test_one_line_each_the_counts_and_the_exit_code(
    strict, folder, tmp_path, monkeypatch, capsys
) -> None:
    expert = save_network(Expert(0.05), "expert", tmp_path / "expert.ckpt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    given = {"video": folder, "expert": expert, "syncnet": "none", "device": "cpu",
             "plots": "false", "report": "false", "strict": str(strict).lower()}  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *(f"{k}={v}" for k, v in given.items())])
    if strict:
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 1
    else:
        main()
    shown = capsys.readouterr()
    table = [line.split() for line in shown.out.splitlines()]
    lines = {name: [row for row in table if row[:1] == [f"{name}.mp4"]] for name in NAMES}
    assert {name: len(rows) for name, rows in lines.items()} == dict.fromkeys(NAMES, 1)
    assert {name: rows[0][1] for name, rows in lines.items()} == {
        "good": "36", **dict.fromkeys(("faceless", "short", "silent", "truncated"), "failed")
    }  # fmt: skip
    assert shown.out.count("failed: ") == 4
    assert "1 scored (1 face), 4 failed" in shown.out
    assert ("4 of 5 videos failed" in shown.err) == strict
    (written,) = tmp_path.glob("outputs/evaluate/*/scores.json")
    scores = json.loads(written.read_text())
    assert (scores["n_scored"], scores["n_failed"]) == (1, 4)
    assert sum(scores["failures"].values()) == 4
