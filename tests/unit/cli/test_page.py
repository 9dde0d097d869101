"""The page without a browser: what it begins with, what it says, and what becomes of files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from w2l.cli import page_jobs
from w2l.cli.app import find_examples
from w2l.cli.page_jobs import PageJobs, defaults_of, score_lines
from w2l.errors import UserError
from w2l.inference.options import silent
from w2l.metrics import summarize
from w2l.scoring import ClipScore
from w2l.scoring.results import TrackScore
from w2l.scoring.scorer import CosineResult

SCRIPT = """
import json
from pathlib import Path
from gradio.route_utils import delete_files_created_by_app
from w2l.cli.page import build_page
from w2l.cli.page_jobs import PageJobs, PageResult

folder = Path(FOLDER)
start = []
for published in (False, True):
    page = build_page(PageJobs({"published": published}, folder), [], 60)
    blocks = [block for block in page.blocks.values() if hasattr(block, "choices")]
    start.append({block.label: [block.value, block.choices] for block in blocks})

class Jobs(PageJobs):
    def sync(self, *_):
        made = [folder / name for name in ("made.mp4", "given.jpg", "made.png")]
        for path in made:
            path.touch()
        return PageResult(made[0], None, *made[1:], "done")

page = build_page(Jobs({"published": False}, folder), [], 60)
(pressed,) = [each.fn for each in page.fns.values() if each.name == "sync"]
pressed("face.mp4", "sound.wav", "fast", "largest", "pass", "", None)
left = []
for age in (60, 0):
    delete_files_created_by_app(page, age)
    left.append(len(list(folder.iterdir())))
print(json.dumps({"start": start, "left": left}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `SCRIPT` says, in a process of its own, since Gradio leaves sockets behind."""
    pytest.importorskip("gradio")
    code = SCRIPT.replace("FOLDER", repr(str(tmp_path_factory.mktemp("page"))))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.long
def test_the_page_begins_with_the_values_of_the_command(found: dict[str, Any]) -> None:
    for shown, published in zip(found["start"], (False, True), strict=True):
        defaults = defaults_of("infer", published)
        for label, key in {
            "Quality": "quality",
            "Whom, of several people": "person",
            "Frames without a face": "missing_face",
        }.items():
            value, choices = shown[label]
            assert value == defaults[key]
            assert [value, value] in choices


@pytest.mark.long
def test_what_was_made_is_removed_as_what_was_sent(found: dict[str, Any]) -> None:
    """Not before its time, then all of it."""
    assert found["left"] == [3, 0]


def test_a_long_sound_is_refused_without_reading_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def load(path: str, end_s: float | None = None) -> np.ndarray:
        read.append(end_s)
        return np.zeros(round(end_s or 7200) * 16_000, np.float32)

    monkeypatch.setattr(page_jobs, "load_audio", load)
    jobs = PageJobs({"published": False, "max_seconds": 2}, tmp_path)
    with pytest.raises(UserError, match="lasts over 2 s"):
        jobs.sync("face.mp4", "long.wav", {}, silent)
    assert read == [3]


def test_each_face_has_a_line_of_scores() -> None:
    curve = np.zeros(31, np.float32)
    tracks = [
        TrackScore(
            start, 25, cosine=CosineResult(curve, summarize(torch.full((25,), 0.5)), curve, 0, 0.0)
        )
        for start in (0, 40)
    ]
    assert score_lines(ClipScore("a.mp4", tracks[:1])) == "\n- cosine of the expert ↑ **0.5**"
    one, other = score_lines(ClipScore("a.mp4", tracks)).strip().splitlines()
    assert one.startswith("- face 1, from frame 0: cosine")
    assert other.startswith("- face 2, from frame 40: cosine")


def test_no_folder_of_examples() -> None:
    assert find_examples(None) == []
