"""Pairs into videos and scores: as published, counted, resumed, never skipped in silence."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from evaluation.pairs import failure, worker
from evaluation.pairs.failure import PairError
from evaluation.pairs.making import make
from evaluation.pairs.networks import networks
from evaluation.pairs.run import run_pairs
from evaluation.pairs.settings import Job, Recipe, Weights
from evaluation.pairs.tasks import Task, TaskList, listed_tasks
from evaluation.report.results import to_results
from tests.parity.published import state_dict
from tests.unit.evaluation import pair_set
from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.checkpoints import load_generator, load_syncnet
from w2l.errors import UserError
from w2l.faces.fixed import FixedBox
from w2l.files import sha256
from w2l.inference import FaceGenerator, plan
from w2l.inference.fade import TURNED
from w2l.inference.report import Stretch, SyncReport
from w2l.scoring import SyncScorer
from w2l.video import VideoReader, jpeg_frames

QUIET = Console(quiet=True)


@pytest.fixture
def scored_in_a_box(monkeypatch):
    """What an untrained generator paints is no face to a detector; the given faces still are."""
    monkeypatch.setattr(
        "evaluation.pairs.networks._scoring_detector", lambda *_: FixedBox(pair_set.BOX)
    )
    networks.cache_clear()
    yield
    networks.cache_clear()


def pair(root: Path, audio: str, video: str, number: int = 0, name: str = "lrs2") -> Task:
    paths = [root / (n if "." in n else f"{n}.mp4") for n in (audio, video)]
    return Task(name, number, audio, video, *paths)


def run(tasks: list[Task], recipe: Recipe, out: Path, **job) -> list[dict]:
    return run_pairs(tasks, recipe, Job(out, engine="serial", device="cpu", **job), QUIET)


def read(path: Path) -> list[np.ndarray]:
    return list(VideoReader(path))


def test_a_published_pair_is_what_the_script_makes_of_it(root, files, tmp_path):
    """Frame i: the mel window from int(80·i/25), the box resized, pasted; no window at the end."""
    outfile = tmp_path / "0.mp4"
    lipsync = FaceGenerator(load_generator(files["generator"].file), "cpu")
    made = make(pair(root, "ann/1", "ben/1"), pair_set.recipe(files), lipsync, None, outfile)
    mel = log_mel(load_audio(root / "ann/1.mp4"))
    starts = [s for s in (int(i * 80.0 / 25) for i in range(99)) if s + 16 <= mel.shape[1]]
    got, given = read(outfile), read(root / "ben/1.mp4")
    assert made.n_frames == len(got) == len(starts) < len(given)
    assert (made.n_untouched, made.release_skips) == (0, None)
    top, bottom, left, right = pair_set.BOX
    for i, start in enumerate(starts):
        face = cv2.resize(given[i][top:bottom, left:right], (96, 96))
        lips = lipsync(face[None], mel[None, :, start : start + 16])[0]
        given[i][top:bottom, left:right] = cv2.resize(lips, (right - left, bottom - top))
        assert cv2.PSNR(got[i], given[i]) > 33, i


def test_every_reason_is_counted(root, files, tmp_path, scored_in_a_box):
    names = [
        ("ann/1", "ben/1", None),
        ("ben/long", "ann/1", failure.SHORT_VIDEO),
        ("ann/1", "ben/hidden", failure.NO_FACE),
        ("ben/brief", "ann/1", failure.SHORT_SOUND),
        ("ben/nan.wav", "ann/1", failure.NAN),
        ("ben/mute", "ann/1", failure.UNREADABLE_SOUND),
        ("ann/1", "ben/broken", failure.UNREADABLE_VIDEO),
        ("ann/1", "ben/nobody", failure.MISSING),
    ]
    tasks = [pair(root, a, v, i) for i, (a, v, _) in enumerate(names)]
    recipe = pair_set.recipe(files, box=None)
    records = run(tasks, recipe, tmp_path)
    assert [record["error"] for record in records] == [reason for *_, reason in names]
    assert all(record["detail"] for record in records[1:])
    results = to_results("lrs2", "g", [TaskList("lrs2", tmp_path, tasks)], recipe, records)
    found = results["sets"]["lrs2"]
    counts = [found[key] for key in ("n_pairs", "n_scored", "n_failed", "n_pending")]
    assert counts == [8, 1, 7, 0]
    assert found["failed"] == Counter(reason for *_, reason in names if reason)
    assert found["all"]["cosine"]["mean"] == records[0]["tracks"][0]["cosine"]
    assert [path.name for path in (tmp_path / "videos/lrs2").iterdir()] == ["0.mp4"]


def test_improved_settings_score_what_the_release_skips(root, files, tmp_path, scored_in_a_box):
    tasks = [
        pair(root, "ann/1", "ben/1", 0),
        pair(root, "ben/long", "ann/1", 1),  # the video goes on
        pair(root, "ann/1", "ben/hidden", 2),  # some frames stay as they are
    ]
    recipe = pair_set.improved(files, box=None)
    records = run(tasks, recipe, tmp_path)
    assert [r["error"] for r in records] == [None] * 3
    assert [r["release_skips"] for r in records] == [None, failure.SHORT_VIDEO, failure.NO_FACE]
    samples = len(load_audio(root / "ben/long.mp4"))
    assert records[1]["n_frames"] == math.ceil(samples / 640) > 30  # to the last one
    assert records[2]["n_untouched"] > 0
    results = to_results("lrs2", "g", [TaskList("lrs2", tmp_path, tasks)], recipe, records)
    found = results["sets"]["lrs2"]
    cosines = [r["tracks"][0]["cosine"] for r in records]
    assert found["all"]["cosine"]["mean"] == pytest.approx(np.mean(cosines))
    assert found["all"]["cosine"]["standard_error"] == pytest.approx(
        np.std(cosines, ddof=1) / 3**0.5
    )
    assert found["survivors"]["n_scored"] == 1
    assert found["survivors"]["cosine"]["mean"] == cosines[0]


@pytest.mark.parametrize(
    ("reason", "skips"),
    [
        (plan.NO_FACE, failure.NO_FACE),
        (plan.NOT_CHOSEN, None),
        (TURNED, None),
    ],
)
def test_the_release_skips_only_what_has_no_face(root, files, tmp_path, monkeypatch, reason, skips):
    """A turned head is a face to it, and so is somebody else's."""

    def leaves_some(source, voice, outfile, *_, **__):
        return SyncReport(outfile, source.fps, 15, [Stretch(2, 5, reason)])

    monkeypatch.setattr("evaluation.pairs.making.sync_video", leaves_some)
    recipe = pair_set.improved(files)
    made = make(pair(root, "ann/1", "ben/1"), recipe, None, None, tmp_path / "0.mp4")
    assert (made.n_untouched, made.release_skips) == (3, skips)


def test_where_boxes_are_held_nobody_knows_what_the_release_skips(
    root, files, tmp_path, scored_in_a_box
):
    tasks = [pair(root, "ann/1", "ben/hidden", 0)]
    recipe = pair_set.recipe(files, box=None, missing_face="hold")
    records = run(tasks, recipe, tmp_path)
    assert records[0]["n_untouched"] == 0
    results = to_results("lrs2", "g", [TaskList("lrs2", tmp_path, tasks)], recipe, records)
    assert results["sets"]["lrs2"]["survivors"] is None


@pytest.mark.parametrize("person", ["first", "largest"])
def test_as_published_no_head_fades(root, files, tmp_path, monkeypatch, person):
    seen = []

    def sync(source, voice, outfile, lipsync, detector, options, **_):
        seen.append(options.faces)
        return SyncReport(outfile, source.fps, 15)

    monkeypatch.setattr("evaluation.pairs.making.sync_video", sync)
    task = pair(root, "ann/1", "ben/1")
    for recipe in (pair_set.recipe(files, person=person), pair_set.improved(files, person=person)):
        make(task, recipe, None, None, tmp_path / "0.mp4")
    assert [(faces.max_turn, faces.min_score) for faces in seen] == [
        (None, None), (plan.MAX_TURN, plan.MIN_SCORE),
    ]  # fmt: skip


def test_a_video_smaller_than_the_box_is_one_failed_pair(root, files, tmp_path, monkeypatch):
    tasks = [pair(root, "ann/1", "ben/1", 0), pair(root, "ben/1", "ann/1", 1)]
    records = run(tasks, pair_set.recipe(files, box=(20, 140, 20, 161)), tmp_path)
    assert [record["error"] for record in records] == [failure.BOX_OUTSIDE] * 2
    assert "ben/1 is 160x160" in records[0]["detail"]
    monkeypatch.setattr("evaluation.pairs.making.MAX_SIDE", 80)  # as a large real video is
    small = replace(tasks[0], set="random")
    with pytest.raises(PairError, match="ben/1 is 80x80"):
        make(small, pair_set.recipe(files), None, None, tmp_path / "0.mp4")


def test_a_killed_run_is_taken_up(root, files, tmp_path, monkeypatch):
    tasks = [pair(root, "ann/1", "ben/1", 0), pair(root, "ben/1", "ann/1", 1)]
    recipe = pair_set.recipe(files)
    calls = []

    def killed(task, *arguments):
        calls.append(task.number)
        if task.number == 1:
            half = tmp_path / "videos/lrs2/.w2l-0a0a0a-1-0123abcd.1.mp4"
            half.write_bytes(b"half")
            raise KeyboardInterrupt
        return make(task, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr("evaluation.pairs.making.make", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tasks, recipe, tmp_path)
    first = tmp_path / "pairs/lrs2/0.json"
    written = first.stat().st_mtime_ns
    records = run(tasks, recipe, tmp_path)
    assert calls == [0, 1]
    assert [record["error"] for record in records] == [None, None]
    assert first.stat().st_mtime_ns == written
    assert {path.name for path in (tmp_path / "videos/lrs2").iterdir()} == {"0.mp4", "1.mp4"}


def test_what_changed_is_done_again_and_nothing_else(root, files, tmp_path):
    own = pair_set.copy_set(root, tmp_path / "clips")
    tasks = [pair(own, "ann/1", "ben/1", 0), pair(own, "ben/1", "ann/1", 1)]
    out = tmp_path / "out"
    before = run(tasks, pair_set.recipe(files), out)
    video = out / "videos/lrs2/0.mp4"
    made = video.stat().st_mtime_ns
    other = run(tasks, pair_set.recipe(files, expert=files["other"]), out)
    assert video.stat().st_mtime_ns == made  # scored again, not made again
    assert other[0]["tracks"][0]["cosine"] != before[0]["tracks"][0]["cosine"]
    pads = run(tasks, pair_set.recipe(files, quality="improved"), out)
    assert video.stat().st_mtime_ns != made
    assert pads[0]["made"] != before[0]["made"]
    (own / "ben/1.mp4").write_bytes((own / "ann/1.mp4").read_bytes())
    record = out / "pairs/lrs2/0.json"
    record.write_text(record.read_text()[:40])  # damaged
    assert [r["error"] for r in run(tasks, pair_set.recipe(files), out)] == [None, None]


def test_failed_pairs_are_tried_again_when_asked(root, files, tmp_path):
    own = pair_set.copy_set(root, tmp_path / "clips")
    tasks = [pair(own, "ann/1", "ben/1", 0)]
    recipe, out = pair_set.recipe(files), tmp_path / "out"
    written = out / "pairs/lrs2/0.json"

    class OddError(Exception):
        pass

    def fails(*_):
        raise OddError("once")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evaluation.pairs.making.make", fails)
        (record,) = run(tasks, recipe, out)
    assert (record["error"], record["detail"]) == (failure.UNEXPECTED, "OddError: once")
    assert run(tasks, recipe, out) == [record]
    assert run(tasks, recipe, out, retry_failed=True)[0]["error"] is None
    assert json.loads(written.read_text())["error"] is None


def test_shards_share_the_pairs(root, files, tmp_path):
    tasks = [pair(root, "ann/1", "ben/nobody", i) for i in range(5)]
    recipe = pair_set.recipe(files)
    first = run(tasks, recipe, tmp_path, shard=0, num_shards=2)
    assert [record["number"] for record in first] == [0, 2, 4]
    found = to_results("lrs2", "g", [TaskList("lrs2", tmp_path, tasks)], recipe, first)["sets"]
    assert found["lrs2"]["n_pending"] == 2
    assert len(run(tasks, recipe, tmp_path, shard=1, num_shards=2)) == 5
    with pytest.raises(UserError, match="shard=2 does not exist"):
        run(tasks, recipe, tmp_path, shard=2, num_shards=2)


def test_a_full_disk_ends_the_run_and_is_no_failed_pair(root, files, tmp_path, monkeypatch):
    def full(*_, **__):
        raise UserError("No space is left for 0.mp4: free some and run again; nothing was lost.")

    monkeypatch.setattr("evaluation.pairs.making.sync_video", full)
    with pytest.raises(UserError, match="No space is left"):
        run([pair(root, "ann/1", "ben/1")], pair_set.recipe(files), tmp_path)
    assert not list((tmp_path / "pairs").rglob("*.json"))


def test_tts_frames_are_duplicated_evenly(root, files, tmp_path):
    """A box in the corner leaves the rest of the image, by which the frames are known."""
    task = pair(root, "ben/long", "ann/1", name="tts")
    recipe = pair_set.recipe(files, protocol="track", box=(0, 40, 0, 40))
    lipsync = FaceGenerator(load_generator(files["generator"].file), "cpu")
    made = make(task, recipe, lipsync, None, tmp_path / "0.mp4")
    given, got = read(root / "ann/1.mp4"), read(tmp_path / "0.mp4")
    assert made.n_frames == len(got) > len(given) == pair_set.FRAMES
    for i, frame in enumerate(got):
        distances = [np.abs(frame[60:].astype(int) - other[60:]).mean() for other in given]
        shown = int(np.argmin(distances))
        assert distances[shown] == pytest.approx(distances[i * len(given) // len(got)], abs=0.3)
    with pytest.raises(PairError) as error:
        make(replace(task, set="random"), recipe, lipsync, None, tmp_path / "1.mp4")
    assert error.value.reason == failure.SHORT_VIDEO


def test_videos_may_be_thrown_away(root, files, tmp_path):
    tasks = [pair(root, "ann/1", "ben/1")]
    (record,) = run(tasks, pair_set.recipe(files), tmp_path, keep_videos=False)
    assert record["error"] is None
    assert not list((tmp_path / "videos").rglob("*.mp4"))
    assert run(tasks, pair_set.recipe(files), tmp_path, keep_videos=False) == [record]


def test_the_lists_say_what_is_paired(root, tmp_path):
    (tmp_path / "lrs2.txt").write_text("ann/1 ben/1\nben/1 ann/1.mp4\n")
    found = listed_tasks("lrs2", tmp_path / "lrs2.txt", root)
    assert [(t.number, t.audio, t.video) for t in found.tasks] == [
        (0, "ann/1", "ben/1"), (1, "ben/1", "ann/1"),
    ]  # fmt: skip
    assert found.tasks[1].video_file == root / "ann/1.mp4"
    with pytest.raises(UserError, match=r"evaluation\.filelists fetch=lrs3"):
        listed_tasks("lrs3", tmp_path / "lrs3.txt", root)
    word = tmp_path / "lrw/ABOUT/test/ABOUT_00001.mp4"
    word.parent.mkdir(parents=True)
    word.write_bytes(b"")
    (tmp_path / "lrw.txt").write_text("ABOUT_00001 ABOUT_00001\n")
    assert listed_tasks("lrw", tmp_path / "lrw.txt", tmp_path / "lrw").tasks[0].audio_file == word


def test_the_scores_are_syncnets_on_what_was_written(root, files, tmp_path):
    """As published: through FFmpeg's JPEG, sound and images both from 0."""
    torch.save(state_dict("syncnet_v2"), path := tmp_path / "syncnet_v2.model")
    recipe = pair_set.recipe(files, syncnet=Weights(str(path), sha256(path)), expert=None)
    (record,) = run([pair(root, "ben/1", "ann/1")], recipe, tmp_path)
    video = tmp_path / "videos/lrs2/0.mp4"
    want = SyncScorer(load_syncnet(path)).lse(jpeg_frames(video), load_audio(video))
    (got,) = record["tracks"]
    assert got["lse_d"] == pytest.approx(want.lse.lse_d, rel=1e-5)
    assert got["lse_c"] == pytest.approx(want.lse.lse_c, rel=1e-4)
    assert got["offset"] == want.lse.offset
    assert got["n_windows"] == record["n_frames"] - 5


def test_tracks_keep_plain_values_only():
    class Clip:
        def to_dict(self):
            track = {"lse_d": 7.5, "cosine": {"mean": 0.5}, "lse_reason": "x", "curve": [1.0],
                     "syncnet_cosine": {"at_0": 1.0}, "odd": float("nan")}  # fmt: skip
            return {"tracks": [track]}

    assert worker.tracks_of(Clip()) == [{"lse_d": 7.5, "cosine": 0.5, "odd": None}]
