"""What `benchmark=` is told: sets of real videos, places of workers, values that make no sense."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evaluation.benchmark import build_job, build_recipe, raise_failures
from evaluation.command import evaluation
from evaluation.keys import Evaluation
from evaluation.pairs.networks import scoring_protocol
from evaluation.pairs.records import own_folder
from evaluation.pairs.tasks import real_tasks
from tests.settings import settings_of
from tests.unit.evaluation import pair_set
from w2l.building import Component
from w2l.errors import UserError


def settings(**changed: Any) -> Evaluation:
    return settings_of(Evaluation, **changed)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_sets_of_real_videos(tmp_path):
    touch(tmp_path / "dubbed/b.mp4", tmp_path / "dubbed/a.avi", tmp_path / "dubbed/notes.txt")
    (tmp_path / "random_pairs.txt").write_text("one.mp4 two.mp4\n")
    (tmp_path / "tts.csv").write_text("video,audio\nmy clip.mp4,said.wav\n")
    dubbed, random, tts = real_tasks(tmp_path, None)
    assert [(t.video, t.audio) for t in dubbed.tasks] == [("a.avi", "a.avi"), ("b.mp4", "b.mp4")]
    (task,) = random.tasks  # the video comes first, as in ReSyncED's lists
    assert (task.video_file, task.audio_file) == (tmp_path / "one.mp4", tmp_path / "two.mp4")
    assert tts.tasks[0].video_file == tmp_path / "my clip.mp4"
    assert tts.tasks[0].key == "tts/0"
    assert [each.name for each in real_tasks(tmp_path, ["tts"])] == ["tts"]
    assert [each.name for each in real_tasks(tmp_path, "tts")] == ["tts"]
    (tmp_path / "random").mkdir()
    assert real_tasks(tmp_path, ["random"])[0].tasks[0].video_file == tmp_path / "random/one.mp4"


@pytest.mark.parametrize(
    ("content", "wanted", "sentence"),
    [
        ("", None, "random_pairs.txt holds no pair"),
        ("one two three\n", None, "line 1: a video and a sound are wanted"),
        ("../one.mp4 two.mp4\n", None, "line 1"),
        ("one.mp4 two.mp4\n", ["tts"], "has no set tts"),
        ("one.mp4 two.mp4\n", ["sung"], "sets=sung is unknown"),
    ],
)
def test_wrong_sets_are_one_sentence(tmp_path, content, wanted, sentence):
    (tmp_path / "random_pairs.txt").write_text(content)
    with pytest.raises(UserError, match=sentence):
        real_tasks(tmp_path, wanted)


def test_an_empty_folder_has_no_set(tmp_path):
    with pytest.raises(UserError, match="has no set"):
        real_tasks(tmp_path, None)


def test_the_job_that_is_asked_for():
    for asked, sentence in (
        ({}, "Choose one of benchmark="),
        ({"benchmark": "demo", "results": "docs/results"}, "Choose one of"),
        ({"benchmark": "lrs9"}, "benchmark=lrs9 is unknown: choose lrs2, lrs3, lrw, real or demo"),
        ({"benchmark": "lrs2"}, "benchmark=lrs2 needs checkpoint=…, data_root=…"),
    ):
        with pytest.raises(UserError, match=sentence):
            evaluation(settings(**asked))


def test_another_recipe_gets_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = pair_set.networks(tmp_path)
    one, other = (pair_set.recipe(files, quality=quality) for quality in ("fast", "improved"))
    first = own_folder("lrs2", one)
    assert first == Path("outputs/benchmarks/lrs2")
    (first / "pairs" / "lrs2").mkdir(parents=True)
    (first / "pairs" / "lrs2" / "0.json").write_text(f'{{"scored": "{one.scored}"}}')
    assert own_folder("lrs2", one) == first, "it goes on"
    assert own_folder("lrs2", other) == Path("outputs/benchmarks/lrs2_2")


def test_values_that_make_no_sense(tmp_path):
    files = pair_set.networks(tmp_path)
    good = {
        "checkpoint": files["generator"].file,
        "expert": files["expert"].file,
        "syncnet": "none",
        "device": "cpu",
        "extend": "loop",
    }
    quiet = Console(quiet=True)
    recipe = build_recipe(settings(**good), "track", quiet)
    assert (recipe.pads, recipe.protocol, recipe.syncnet) == ((0, 10, 0, 0), "track", None)
    assert build_recipe(settings(**good), "lrs", quiet).pads == (0, 0, 0, 0)
    for changed, sentence in (
        ({"detector": {"_target_": "w2l.faces.Eyes"}}, "w2l.faces.Eyes cannot be found"),
        ({"extend": "never"}, "extend=never"),
        ({"extend": "freeze"}, "extend=freeze needs published=false"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"box": [1, 2, 3]}, "box="),
        ({"expert": None}, "no network to score with"),
        ({"checkpoint": "nobody.ckpt"}, "nobody.ckpt"),
        ({"checkpoint": files["expert"].file}, "generator"),
        ({"inception": "nobody.pth"}, "nobody.pth"),
        ({"inception": files["expert"].file}, "is not the wanted Inception network"),
    ):
        with pytest.raises(UserError, match=sentence):
            build_recipe(settings(**good | changed), "lrs", quiet)
    for key, value in (
        ("num_shards", 0), ("num_shards", 1.5), ("shard", None), ("shard", -1),
        ("ray_attempts", None), ("gpus_per_worker", None),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"{key}="):
            build_job(settings(**{key: value}), tmp_path)
    with pytest.raises(UserError, match="gpus_per_worker"):
        build_job(settings(engine="ray", device="cuda"), tmp_path)


def test_published_scoring_is_the_evaluation_scripts(tmp_path):
    files = pair_set.networks(tmp_path)
    lrs = scoring_protocol(pair_set.recipe(files))
    assert (lrs.name, lrs.jpeg, lrs.convert_rate, lrs.keep_offset) == ("lrs", True, False, False)
    track = scoring_protocol(
        pair_set.recipe(files, protocol="track", detector=Component("w2l.faces.S3FD"))
    )
    assert (track.min_face_score, track.min_track_frames, track.min_face_size) == (0.9, 100, 100)
    own = scoring_protocol(pair_set.improved(files, protocol="track"))
    assert (own.name, own.jpeg, own.min_track_frames) == ("track", False, 24)


@pytest.mark.parametrize(
    ("records", "strict", "sentence"),
    [
        ([{"error": None}, {"error": None}], True, None),
        ([{"error": None}, {"error": "no face"}], False, None),
        ([{"error": None}, {"error": "no face"}], True, "1 of 2 pairs could not be scored"),
        ([{"error": None, "pictures_error": "no face"}], False, None),
        ([{"error": None, "pictures_error": "no face"}], True, "images of 1 not be compared"),
        ([{"error": "no face"}], False, "None of 1 pairs could be scored"),
        ([], True, None),
    ],
)
def test_what_failed_ends_the_command(records, strict, sentence):
    with nullcontext() if sentence is None else pytest.raises(UserError, match=sentence):
        raise_failures(records, strict)
