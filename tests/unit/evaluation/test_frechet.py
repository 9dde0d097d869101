"""FID of a benchmark: the protocol of `ImageScorer`, kept per pair, whoever did the pairs."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from evaluation.benchmark import run_and_report
from evaluation.pairs import networks as loaded_networks
from evaluation.pairs.frames import AtFps
from evaluation.pairs.images import read_features
from evaluation.pairs.networks import networks
from evaluation.pairs.settings import Job, Recipe, Weights
from evaluation.pairs.tasks import Task, TaskList
from evaluation.report import frechet
from evaluation.report.tables import document
from tests.unit.evaluation import pair_set
from tests.unit.metrics.test_fid import Means, by_scipy
from w2l.faces.fixed import FixedBox
from w2l.scoring.image_metrics import Fid
from w2l.scoring.images import ImageScorer
from w2l.video import VideoReader, VideoWriter
from w2l.weights import registry

FAKE = Weights("inception.pth", "f00")


class Thirds(Means):
    """Of crops, whose 224 rows are no multiple of three; in the range of the published features."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images[:, :, :222]) / 64


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    monkeypatch.setattr(loaded_networks, "load_inception", lambda *_: Thirds())
    networks.cache_clear()
    yield
    networks.cache_clear()


def pairs(root: Path) -> TaskList:
    names = [("ann/1", "ben/1"), ("ben/1", "ann/1"), ("ben/1", "ben/1"), ("ann/1", "ben/nobody")]
    tasks = [
        Task("lrs2", i, a, v, root / f"{a}.mp4", root / f"{v}.mp4")
        for i, (a, v) in enumerate(names)
    ]
    return TaskList("lrs2", root, tasks)


def run(wanted: TaskList, recipe: Recipe, out: Path, **job) -> dict:
    settings = {"engine": "serial", "device": "cpu"} | job
    run_and_report("lrs2", [wanted], recipe, Job(out, **settings), "g", Console(quiet=True))
    return json.loads((out / "results.json").read_text())["sets"]["lrs2"]


def test_it_is_the_distance_of_the_image_scorer(root, files, tmp_path):
    """Of a list at 25 fps, whose pairs keep the frames of their videos."""
    wanted, recipe = pairs(root), pair_set.recipe(files, inception=FAKE)
    got = run(wanted, recipe, tmp_path)
    assert (got["n_scored"], got["n_failed"]) == (3, 1)
    fid = Fid(Thirds(), n_pairs=3)
    distance, scorer = fid.frechet, ImageScorer(FixedBox(pair_set.BOX), {"fid": fid})
    for task in wanted.tasks[:3]:
        scorer.score(tmp_path / f"videos/lrs2/{task.number}.mp4", task.video_file)
    found = got["pictures"]
    assert found["n_generated"] == found["n_real"] == distance.n_generated > 8
    assert found["frechet_distance_stand_in"] == pytest.approx(distance.distance(), rel=5e-3)
    assert found["frechet_distance_stand_in"] > 0.5
    assert (found["n_pairs"], found["n_failed"], found["first_error"]) == (3, 0, None)
    assert "fid" not in found
    # ben's video is in pairs 0 and 2: both in one half, ann's in the other.
    rows = [read_features(tmp_path / f"features/lrs2/{i}.npz") for i in range(3)]
    ben = np.concatenate([rows[0].real, rows[2].real]).astype(float)
    floor = by_scipy(ben, rows[1].real.astype(float))
    assert found["frechet_distance_stand_in_real_against_real"] == pytest.approx(floor, rel=1e-3)
    table = (tmp_path / "results.md").read_text()
    assert "Fréchet distance of stand-in features (no FID): " in table
    assert "| g | " in table
    assert "its FID is not to be compared with this run's. Protocol of this run: 25 fps;" in table
    assert sum(path.stat().st_size for path in (tmp_path / "features/lrs2").iterdir()) < 6000


def test_only_the_published_weights_give_a_column(root, files, tmp_path, monkeypatch):
    monkeypatch.setattr("w2l.scoring.image_metrics.EVERY", 2)
    wanted = TaskList("lrs2", root, pairs(root).tasks[:1])
    released = Weights("renamed.pth", str(registry()["fid_inception"].sha256))
    got = run(wanted, pair_set.recipe(files, inception=released), tmp_path)["pictures"]
    assert got["enough_pictures"] is False
    assert got["fid_real_against_real"] > 0  # of a single video: its halves
    row = next(r for r in (tmp_path / "results.md").read_text().splitlines() if "| g |" in r)
    assert f"| {got['fid']:.3f} |" in row
    assert "; too few images for a stable number" in (tmp_path / "results.md").read_text()
    without = run(wanted, pair_set.recipe(files), tmp_path)
    assert without["pictures"] is None


def test_shards_give_the_same(root, files, tmp_path):
    wanted, recipe = pairs(root), pair_set.recipe(files, inception=FAKE)
    run(
        wanted, pair_set.recipe(files), tmp_path / "once"
    )  # the videos, which are the same for both
    shutil.copytree(tmp_path / "once", tmp_path / "shards")
    once = run(wanted, recipe, tmp_path / "once")["pictures"]
    run(wanted, recipe, tmp_path / "shards", shard=1, num_shards=2)
    assert run(wanted, recipe, tmp_path / "shards", shard=0, num_shards=2)["pictures"] == once


def test_pairs_are_scored_again_only_where_features_are_missing(root, files, tmp_path):
    wanted = pairs(root)
    run(wanted, pair_set.recipe(files), tmp_path)  # before anybody asked for FID
    video = tmp_path / "videos/lrs2/0.mp4"
    made = video.stat().st_mtime_ns
    assert not (tmp_path / "features").exists()
    recipe = pair_set.recipe(files, inception=FAKE)
    before = run(wanted, recipe, tmp_path)["pictures"]
    assert video.stat().st_mtime_ns == made
    kept = tmp_path / "features/lrs2/1.npz"
    times = kept.stat().st_mtime_ns
    (tmp_path / "features/lrs2/0.npz").write_bytes(b"cut off")
    (tmp_path / "features/lrs2/.w2l-0a0a0a-1-0123abcd.1.npz").write_bytes(b"half")
    (tmp_path / "features/lrs2/2.npz").unlink()
    assert run(wanted, recipe, tmp_path)["pictures"] == before
    assert kept.stat().st_mtime_ns == times
    assert {path.name for path in kept.parent.iterdir()} == {"0.npz", "1.npz", "2.npz"}


def test_pairs_without_images_are_counted_and_keep_their_scores(root, files, tmp_path, monkeypatch):
    class Huge(Thirds):
        """Features that do not fit where they are kept, of one pair."""

        calls = 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            Huge.calls += 1
            return super().forward(images) * (1e6 if Huge.calls == 1 else 1)

    monkeypatch.setattr(loaded_networks, "load_inception", lambda *_: Huge())
    got = run(pairs(root), pair_set.recipe(files, inception=FAKE), tmp_path)
    assert (got["n_scored"], got["all"]["cosine"]["count"]) == (3, 3)
    found = got["pictures"]
    assert (found["n_pairs"], found["n_failed"]) == (2, 1)
    assert "gives features that are no numbers below 65504" in found["first_error"]
    results = json.loads((tmp_path / "results.json").read_text())
    assert "1 could not; real against real" in document(results)
    clips = [clip["pictures_error"] for clip in results["clips"]]
    assert [error is not None for error in clips] == [True, False, False, False]


def test_a_face_between_the_frames_that_count_is_no_image(root, files, tmp_path, monkeypatch):
    """Of one pair; the others, and their number, stay."""
    wanted, recipe = pairs(root), pair_set.recipe(files, inception=FAKE)
    add = ImageScorer.compare
    calls = []

    def compare(self, generated, reference, *rest):
        calls.append(1)
        if len(calls) == 2:
            self.metrics = {}  # as if no frame that counts had a box
        return add(self, generated, reference, *rest)

    monkeypatch.setattr(ImageScorer, "compare", compare)
    found = run(wanted, recipe, tmp_path)["pictures"]
    assert (found["n_pairs"], found["n_failed"]) == (2, 1)
    assert found["first_error"] == "ann/1 shows no face to compare."
    assert found["frechet_distance_stand_in"] > 0


def test_real_videos_are_compared_with_the_frames_that_were_synced(
    root, files, tmp_path, monkeypatch
):
    """As published they are made small and, said by a voice, repeated: the images are those."""
    monkeypatch.setattr("evaluation.pairs.making.MAX_SIDE", 80)
    task = Task("tts", 0, "ben/long", "ann/1", root / "ben/long.mp4", root / "ann/1.mp4")
    # A box in which the generator paints, and that is never left as it was.
    recipe = pair_set.recipe(files, protocol="track", box=(5, 75, 5, 75), inception=FAKE)
    monkeypatch.setattr(
        "evaluation.pairs.worker.score", lambda *_: {"tracks": [], "n_skipped_tracks": 0}
    )
    out = tmp_path / "out"
    run_and_report("real", [TaskList("tts", root, [task])], recipe, Job(out, engine="serial"), "g",
                   Console(quiet=True))  # fmt: skip
    found = read_features(out / "features/tts/0.npz")
    n = len(list(VideoReader(out / "videos/tts/0.mp4")))
    assert len(found.generated) == len(found.real) == -(-n // 5)
    assert found.later.sum() == sum(i >= n // 2 for i in range(0, n, 5))


def test_frames_of_any_rate_are_resampled_as_the_reader_does(tmp_path):
    for fps in (Fraction(30), Fraction(24000, 1001), Fraction(12)):
        path = tmp_path / f"{fps.numerator}.mp4"
        with VideoWriter(path, fps, (64, 64), codec="h264") as writer:
            for i in range(23):
                writer.write(np.full((64, 64, 3), 10 * i, np.uint8))
        want = [frame[0, 0, 0] for frame in VideoReader(path, fps=25)]
        frames = AtFps(VideoReader(path).__iter__, fps)
        for _ in range(2):
            assert [frame[0, 0, 0] for frame in frames] == want
    assert list(chain(AtFps(lambda: iter([]), Fraction(30)))) == []


def test_a_set_without_a_scored_pair_has_no_distance(root, files, tmp_path):
    wanted = TaskList("lrs2", root, pairs(root).tasks[3:])
    recipe = pair_set.recipe(files, inception=FAKE)
    records = frechet.Records(tmp_path, recipe)
    assert frechet.frechet_of(wanted, [], records, "cpu") is None
