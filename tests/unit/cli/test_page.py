"""The page without a browser: what it begins with, what it says, and what becomes of files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.settings import settings_of
from w2l import examples
from w2l.cli import evaluate, page_jobs
from w2l.cli.app import read_accounts
from w2l.cli.infer_networks import Networks
from w2l.cli.keys.app import App
from w2l.cli.keys.infer import Infer
from w2l.cli.page_files import PageFiles, in_words, without_paths
from w2l.cli.page_jobs import LeftError, PageJobs, defaults_of, read_box, score_lines
from w2l.cli.page_trials import SIDE, find_trials
from w2l.components import no_progress
from w2l.errors import UserError
from w2l.faces.track import Track
from w2l.metrics import summarize
from w2l.scoring import ClipScore, Protocol
from w2l.scoring.results import TrackScore
from w2l.scoring.scorer import CosineResult

SCRIPT = """
import json
from pathlib import Path
from types import SimpleNamespace
import gradio as gr
from w2l.cli.page import PageProgress, Stopped, build_page, files_needed, is_waited_for, sent_file
from w2l.errors import UserError
from tests.settings import settings_of
from w2l.cli.keys.app import App
from w2l.cli.page_jobs import PageJobs, PageResult

folder = Path(FOLDER)
start = []
for published in (False, True):
    page = build_page(PageJobs(settings_of(App, published=published), folder), [])
    blocks = [block for block in page.blocks.values() if hasattr(block, "choices")]
    start.append({block.label: [block.value, block.choices] for block in blocks})

class Jobs(PageJobs):
    def sync(self, face, audio, choices, progress, is_wanted):
        if choices["label"]:
            raise UserError(f"{folder}/{choices['label']} is bad: see {face}.")
        raise OSError(f"{face} is secret")

opened = [True]
page = build_page(Jobs(settings_of(App), folder), [], is_open=lambda: opened[0])
(pressed,) = [each.fn for each in page.fns.values() if each.name == "sync"]
said = []
for label, box in (("x.mp4", ""), ("", "1 2"), ("", "")):
    try:
        pressed("/srv/up load/face.mp4", "s.wav", "fast", label, "largest", 0, box, "pass", "sync",
                "result", None, None)
    except gr.Error as error:
        said.append(error.message)
data = SimpleNamespace(data=[{"path": "/up/a.mp4"}, {"path": "/up/b.wav"}, "fast", None])
bars, visitor, stopped = [], SimpleNamespace(session_hash="v"), Stopped()
list(PageProgress(lambda *_, desc, unit: bars.append(desc))(range(3), "syncing", 3))
stops = [stopped.begin(visitor) in stopped, stopped.press(visitor), "v" in stopped]
stops.append(stopped.begin(visitor) in stopped)
event = SimpleNamespace(_id="1", alive=True, data=data)
page._queue.active_jobs = [None, [event]]
needed, waited = sorted(files_needed(page)), [is_waited_for(page, "1")]
event.alive = False
waited.append(is_waited_for(page, "1"))
path = sent_file().preprocess(SimpleNamespace(path="/up/a.mp4"))
print(json.dumps({"start": start, "said": said, "needed": needed, "waited": waited, "path": path,
                  "bars": bars, "stops": stops}))
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
def test_messages_show_no_path_of_the_server(found: dict[str, Any]) -> None:
    bad, box, unexpected = found["said"]
    assert box == "A box is four whole numbers: top, bottom, left, right."
    assert bad.endswith("x.mp4 is bad: see face.mp4.")
    assert "/" not in bad
    assert unexpected == "This could not be done (OSError); the page's log says why."


@pytest.mark.long
def test_the_bar_has_the_time_left_and_a_press_of_cancel_ends_one_job(
    found: dict[str, Any],
) -> None:
    first, then, last = found["bars"]
    assert (first, last) == ("syncing", "syncing, 0 s left")
    assert re.fullmatch(r"syncing, \d+ s left", then)
    assert found["stops"] == [False, "Stopped.", True, False]


@pytest.mark.long
def test_the_page_knows_which_files_and_clients_wait(found: dict[str, Any]) -> None:
    assert found["needed"] == ["/up/a.mp4", "/up/b.wav"]
    assert found["waited"] == [True, False]
    assert found["path"] == "/up/a.mp4"


def test_files_are_kept_while_a_job_needs_them(tmp_path: Path) -> None:
    files = PageFiles(tmp_path, 60)
    for name in ("sent/1/waiting.mp4", "sent/2/old.mp4", "made/3/old.mp4", "sent/4/new.mp4"):
        path = tmp_path / name
        path.parent.mkdir()
        path.touch()
        os.utime(path, (1000, 1000) if "new" not in name else (1059, 1059))
    files.needed = lambda: {str(tmp_path / "sent/1/waiting.mp4"), str(tmp_path / "gone")}
    files.clean(now=1060)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mp4"))
    assert left == ["sent/1/waiting.mp4", "sent/4/new.mp4"]
    files.needed = frozenset
    files.clean(now=time.time() + 61)
    files.clean(now=time.time() + 61)
    assert not list(files.sent.iterdir())
    assert not list(files.made.iterdir())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/page/sent/a.mp4 is empty.", "a.mp4 is empty."),
        (
            "see https://example.org/a/b.pth: lay it at /home/ann/b.pth.",
            "see https://example.org/a/b.pth: lay it at b.pth.",
        ),
        ("~/.cache/w2l/b.pth", "b.pth"),
        ("C:\\Users\\me\\a.mp4 is bad", "a.mp4 is bad"),
        ("25 frames/s, 1/2", "25 frames/s, 1/2"),
    ],
)
def test_without_paths(text: str, shown: str) -> None:
    assert without_paths(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "No frame of a.mp4 was synced (the head is turned too far): it is the given video with "
            "the new audio. max_turn=null syncs a head however far it is turned. Of several people "
            "another may be meant: person=left takes the one on the left; person=tracks lists all, "
            "and person=track:N takes one.",
            "No frame of a.mp4 was synced (the head is turned too far): it is the given video with "
            "the new audio. Of several people another may be meant: “Whom, of several people”: "
            "left takes the one on the left.",
        ),
        (
            "a.mp4 shows no face for more than 24 frames at over 50 px: lower min_track_frames or "
            "min_face_size, or take protocol=lrs.",
            "a.mp4 shows no face for more than 24 frames at over 50 px.",
        ),
        ("quality=enhanced is slow: take quality=fast.",
         "“Quality”: enhanced is slow: take “Quality”: fast."),
        ("12 frames synced.\n\n- LSE-D ↓ **7**", "12 frames synced.\n\n- LSE-D ↓ **7**"),
        ("detector=x is unknown.", "detector=x is unknown."),
    ],
)  # fmt: skip
def test_messages_have_the_words_of_the_page(text: str, shown: str, tmp_path: Path) -> None:
    assert in_words(text, PageJobs(settings_of(App), tmp_path).keys) == shown


def test_a_job_whose_client_left_ends_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def infer(settings: Infer, networks: Any, console: Any, progress: Any) -> None:
        Path(str(settings.outfile)).parent.mkdir(parents=True)
        Path(str(settings.outfile)).touch()
        for number in progress(iter(range(10)), "syncing", 10):
            seen.append(number)

    monkeypatch.setattr(page_jobs, "infer_one", infer)
    monkeypatch.setattr(PageJobs, "_check_length", lambda *_: None)
    monkeypatch.setattr(PageJobs, "_check_pixels", lambda *_: None)
    jobs = PageJobs(settings_of(App), tmp_path)
    with pytest.raises(LeftError):
        jobs.sync("face.mp4", "a.wav", {}, no_progress, lambda: len(seen) < 3)
    assert seen == [0, 1, 2]
    assert list(tmp_path.iterdir()) == []


def test_scoring_shows_how_far_it_is_and_ends_when_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Evaluator:
        progress: Any = None
        protocol = Protocol()
        scorer = detector = speaker = None

        def score(self, *_: Any) -> ClipScore:
            seen.extend(self.progress(range(10), "judging", 10))
            raise AssertionError("nobody waited")

    seen: list[int] = []
    stages = []

    def progress(frames: Any, stage: str, total: int) -> Iterator[int]:
        stages.append((stage, total))
        for number, frame in enumerate(frames):
            wanted.append(number < 2)
            yield frame

    wanted: list[bool] = []
    found = Evaluator(), {"expert": None, "syncnet": None}
    monkeypatch.setattr(evaluate, "build_evaluator", lambda *_, **__: found)
    monkeypatch.setattr(PageJobs, "_check_length", lambda *_: None)
    monkeypatch.setattr(PageJobs, "_check_pixels", lambda *_: None)
    jobs = PageJobs(settings_of(App), tmp_path)
    with pytest.raises(LeftError):
        jobs.score("face.mp4", None, progress, lambda: all(wanted))
    assert stages == [("judging", 10)]
    assert len(wanted) == 3
    assert list(tmp_path.iterdir()) == []


def test_images_and_labels_have_bounds(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", np.zeros((40, 50, 3), np.uint8))[1])
    jobs = PageJobs(settings_of(App, max_megapixels=0.001, max_seconds=2), tmp_path)
    with pytest.raises(UserError, match=r"50×40, and this page takes 0\.001 megapixels"):
        jobs._check_pixels(str(tmp_path / "a.png"))
    with pytest.raises(UserError, match="has 1000 letters") as caught:
        jobs.sync("a.png", "a.wav", {"label": "x" * 1000}, no_progress)
    assert "xxx" not in str(caught.value)


def test_accounts(tmp_path: Path) -> None:
    (tmp_path / "accounts").write_text("ann:a b:c\nbob:d\n")
    assert read_accounts(None) is None
    assert read_accounts("ann:secret") == [("ann", "secret")]
    assert read_accounts(str(tmp_path / "accounts")) == [("ann", "a b:c"), ("bob", "d")]
    for wrong in ("ann", "ann:", ":x"):
        with pytest.raises(UserError, match="auth= takes NAME:PASSWORD"):
            read_accounts(wrong)


def test_a_long_sound_is_refused_without_reading_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def load(path: str, end_s: float | None = None) -> np.ndarray:
        read.append(end_s)
        return np.zeros(round(end_s or 7200) * 16_000, np.float32)

    monkeypatch.setattr(page_jobs, "load_audio", load)
    jobs = PageJobs(settings_of(App, max_seconds=2), tmp_path)
    with pytest.raises(UserError, match="lasts over 2 s"):
        jobs.sync("face.mp4", "long.wav", {}, no_progress)
    assert read == [3]


def test_each_face_has_a_line_of_scores() -> None:
    curve = np.zeros(31, np.float32)
    tracks = [
        TrackScore(
            start, 25, cosine=CosineResult(curve, summarize(torch.full((25,), 0.5)), curve, 0, 0.0)
        )
        for start in (0, 40)
    ]
    line, meaning = score_lines(ClipScore("a.mp4", tracks[:1])).split("\n\n")
    assert line == (
        "\n- cosine of the expert ↑ **0.5**: in sync: offset +0 frames, confidence 0.00"
    )
    assert "A clear peak at 0 is in sync" in meaning
    one, other = score_lines(ClipScore("a.mp4", tracks)).strip().splitlines()[:2]
    assert one.startswith("- face 1, from frame 0: cosine")
    assert other.startswith("- face 2, from frame 40: cosine")


def test_a_click_on_a_face_is_the_number_of_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_jobs, "build_source", lambda *_: SimpleNamespace(fps=25))
    monkeypatch.setattr(Networks, "detector", lambda *_: SimpleNamespace())
    boxes = np.array([[10, 10, 50, 60], [70, 10, 110, 60]], np.float32)
    tracks = [
        Track(np.arange(0, 100), np.repeat(boxes[:1], 100, 0), np.ones(100)),
        Track(np.arange(50, 100), np.repeat(boxes[1:], 50, 0), np.ones(50)),
    ]
    monkeypatch.setattr(page_jobs, "all_tracks", lambda *_: tracks)
    jobs = PageJobs(settings_of(App), tmp_path)
    clicks = {(1.0, 20, 30): 1, (3.0, 80, 30): 2, (1.0, 80, 30): 0, (3.0, 60, 30): 0}
    for (at_s, x, y), number in clicks.items():
        assert jobs.person_at("a.mp4", at_s, x, y, no_progress) == number


def test_a_box_is_four_numbers() -> None:
    assert read_box(" ") is None
    assert read_box(None) is None  # of a field that nobody touched
    assert read_box("[10, 200, 30, 180]") == [10, 200, 30, 180]
    for wrong in ("1 2 3", "a b c d", "1.5, 2, 3, 4, 5", "1 2 3 4 5"):
        with pytest.raises(UserError, match="four whole numbers"):
            read_box(wrong)


def test_the_page_offers_the_clips_that_come_with_it(tmp_path: Path) -> None:
    trials = find_trials("grid")
    assert [trial.caption for trial in trials] == [
        "Speaker 3: “lay white by s zero again”",
        "Speaker 4: “bin blue at b nine now”",
        "Speaker 34: “set blue in a one again”",
    ]
    assert [trial.face for trial in trials] == [example.path for example in examples.EXAMPLES]
    image = cv2.imread(str(trials[0].draw(tmp_path / "0.jpg")))
    assert image.shape == (SIDE, SIDE, 3)
    face, heard, blank = image[:180], image[-110:-30, :100], image[-22:]
    assert face.std() > 40
    assert heard.std() > 40
    assert blank.min() > 240


def test_the_page_offers_a_folder_of_clips_or_nothing(tmp_path: Path) -> None:
    for name in ("anna/1.mp4", "anna/2.mp4", "ben/1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (trial,) = find_trials(str(tmp_path))
    assert trial.caption == "anna/1 says what ben/1 says"
    assert find_trials(None) == []
    with pytest.raises(UserError, match="examples=nowhere is no folder: give one, or grid"):
        find_trials("nowhere")
