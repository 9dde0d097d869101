"""From a folder of videos to a set: resume, kills, shards, and what the user is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from io import StringIO
from itertools import chain
from pathlib import Path

import pytest
import torch
from pyarrow import parquet as pq
from rich.console import Console

from preprocess.lists import Result
from preprocess.prepare import prepare
from preprocess.report import Report
from preprocess.settings import Cut, Job, Recipe
from preprocess.sources import Folder, Lrs2
from tests.integration.command import ROOT, Running, call
from tests.unit.preprocess.clips import good, write_video
from tests.writing import save_network
from w2l.errors import UserError
from w2l.models import Expert, Generator


class Runner:
    """Prepares in this process and keeps what was said."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, job: Job, recipe: Recipe | None = None) -> Result:
        stream = StringIO()
        try:
            return prepare(job, recipe or Recipe(), Report(Console(file=stream, width=200)))
        finally:
            self.text = stream.getvalue()


@pytest.fixture
def run() -> Runner:
    return Runner()


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Four speakers with six clips, and two files that are none."""
    root = tmp_path_factory.mktemp("videos")
    one = good(root / "ann/1.mp4", frames=16)
    for name in ("ann/2", "ben/1", "cy/1", "dee/1", "dee/2"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(one, root / f"{name}.mp4")
    (root / "ben/text.mp4").write_text("no video")
    write_video(root / "cy/grey.mp4", face_frames=[False] * 16)
    return root


@pytest.fixture
def job(videos, tmp_path) -> Job:
    return Job(Folder(videos), tmp_path / "out", engine="serial", device="cpu")


def snapshot(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def times(out: Path) -> dict[str, int]:
    """When each finished clip was finished."""
    return {
        clip.parent.relative_to(out).as_posix(): clip.stat().st_mtime_ns
        for clip in out.glob("*/[!.]*/clip.json")
    }


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_set(run, job):
    result = run(job)
    out = job.out
    assert (len(result.accepted), len(result.rejected), result.prepared) == (6, 2, 8)
    assert "6 clips" in run.text
    assert "1 broken file" in run.text
    assert "1 no face" in run.text
    lists = {split: lines(out / f"{split}.txt") for split in ("train", "val", "test")}
    assert all(lists.values())
    assert sorted(chain.from_iterable(lists.values())) == [
        "ann/1", "ann/2", "ben/1", "cy/1", "dee/1", "dee/2"
    ]  # fmt: skip
    speakers = [{entry.split("/")[0] for entry in entries} for entries in lists.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers))

    manifest = [json.loads(line) for line in lines(out / "manifest.jsonl")]
    assert manifest == result.accepted
    for line in manifest:
        folder = out / line["speaker"] / line["clip"]
        assert len(list(folder.glob("*.jpg"))) == line["n_faces"] == line["n_frames"] == 16
        assert f"{line['speaker']}/{line['clip']}" in lists[line["split"]]
    rejected = [json.loads(line) for line in lines(out / "rejected.jsonl")]
    table = pq.read_table(out / "manifest.parquet").to_pylist()
    everything = {(r["speaker"], r["clip"]): r for r in [*manifest, *rejected]}
    assert len(table) == len(everything) == 8
    for row in table:
        known = {key: value for key, value in row.items() if value is not None}
        expected = everything[row["speaker"], row["clip"]]
        assert known == {key: value for key, value in expected.items() if value is not None}
    assert [(r["source"], r["step"], r["reason"]) for r in rejected] == [
        ("ben/text.mp4", "probe", "broken file"),
        ("cy/grey.mp4", "faces", "no face"),
    ]


def test_a_second_run_does_nothing(run, job):
    run(job)
    before, stamps = snapshot(job.out), times(job.out)
    result = run(job)
    assert result.prepared == 0
    assert "8 of 8 clips were done before" in run.text
    assert snapshot(job.out) == before
    assert times(job.out) == stamps


def test_only_what_changed_is_done_anew(run, job, tmp_path, videos):
    mine = tmp_path / "videos"
    shutil.copytree(videos, mine)
    job = replace(job, source=Folder(mine))
    run(job)
    stamps = times(job.out)

    (mine / "ann/2.mp4").write_text("no longer a video")  # accepted becomes rejected
    good(mine / "ben/text.mp4", frames=16)  # rejected becomes accepted
    good(mine / "eve/1.mp4", frames=17)
    result = run(job)
    assert result.prepared == 3
    assert [record["source"] for record in result.rejected] == ["ann/2.mp4", "cy/grey.mp4"]
    assert not (job.out / "ann/2").exists()
    assert not (job.out / ".rejected/ben/text.json").exists()
    now = times(job.out)
    assert now.keys() - stamps.keys() == {"ben/text", "eve/1"}
    assert stamps.items() - now.items() == {("ann/2", stamps["ann/2"])}

    assert run(replace(job, retry_rejected=True)).prepared == 2
    assert run(job, Recipe(jpeg_quality=50)).prepared == 9
    # How it is run is not part of what a clip is.
    assert run(replace(job, batch_size=3, workers=7), Recipe(jpeg_quality=50)).prepared == 0


def test_shards_add_up_to_the_whole(run, job, tmp_path):
    first = run(replace(job, num_shards=3, shard=0))
    assert first.pending == 5
    assert "not done yet: 5" in run.text
    run(replace(job, num_shards=3, shard=2))
    last = run(replace(job, num_shards=3, shard=1))
    assert last.pending == 0
    whole = replace(job, out=tmp_path / "whole")
    run(whole)
    assert snapshot(job.out) == snapshot(whole.out)


@pytest.mark.parametrize("shard", [-1, 3])
def test_shards_are_numbered_from_0(run, job, shard):
    with pytest.raises(UserError, match="numbered from 0"):
        run(replace(job, num_shards=3, shard=shard))


def test_a_full_disk_stops_and_loses_nothing(run, job, monkeypatch):
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "ben" in path.parts:
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space is left"):
        run(job)
    assert set(times(job.out)) == {"ann/1", "ann/2"}
    assert not list(job.out.glob("*/.*"))
    monkeypatch.undo()
    result = run(job)
    assert (len(result.accepted), len(result.rejected), result.prepared) == (6, 2, 6)


def test_nothing_usable(run, tmp_path):
    root = tmp_path / "videos"
    root.mkdir()
    for name in ("a", "b"):
        (root / f"{name}.mp4").touch()
    job = Job(Folder(root), tmp_path / "out", engine="serial")
    with pytest.raises(UserError, match="2 broken file"):
        run(job)
    assert len(lines(job.out / "rejected.jsonl")) == 2


def test_lrs2(run, tmp_path, videos):
    root = tmp_path / "mvlrs_v1"
    for key in ("10/00001", "10/00002", "11/00001", "12/00001"):
        (root / f"main/{key}").parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(videos / "ann/1.mp4", root / f"main/{key}.mp4")
    (root / "main/12/00001.txt").write_text("Text:  GOOD EVENING\nConf: 5\n")
    (root / "train.txt").write_text("10/00001\n10/00002\n")
    (root / "val.txt").write_text("11/00001\n")
    (root / "test.txt").write_text("12/00001 NF\n")
    job = Job(Lrs2(tmp_path), tmp_path / "out", engine="serial")
    result = run(job)
    assert "LRS2's has 45839" in run.text
    assert lines(job.out / "train.txt") == ["10/00001", "10/00002"]
    assert lines(job.out / "val.txt") == ["11/00001"]
    assert lines(job.out / "test.txt") == ["12/00001"]
    assert result.accepted[-1]["transcript"] == "GOOD EVENING"


def test_half_written_folders_go_at_the_next_start(run, job):
    ours = job.out / "ann/.w2l-0a0a0a-1-0123abcd.1"
    strangers = [job.out / "ann/.w2l-0a0a0a-1-0123abcd.unknown", job.out / "ann/.notes"]
    for folder in (ours, *strangers):
        folder.mkdir(parents=True)
        (folder / "0.jpg").touch()
    run(job)
    assert not ours.exists()
    assert all(folder.exists() for folder in strangers)


def prepared(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return call("-m preprocess", *map(str, arguments), cwd=ROOT)


@pytest.mark.long
def test_a_killed_run_loses_nothing_and_goes_on(run, tmp_path):
    videos = tmp_path / "videos"
    one = good(videos / "p0/0.mp4", frames=32)
    for i in range(1, 10):
        (videos / f"p{i % 4}").mkdir(exist_ok=True)
        shutil.copy(one, videos / f"p{i % 4}/{i}.mp4")
    job = Job(Folder(videos), tmp_path / "out", engine="serial", device="cpu", cut=Cut())
    out = job.out
    same = ["duplicates=none", "quality=false", "min_frames=16"]  # copies; the recipe of `job`
    arguments = ["source=folder", f"data_root={videos}", f"out={out}", "workers=2", *same]
    finished: dict[str, int] = {}
    for _ in range(3):
        process = Running("-m preprocess", *arguments, cwd=ROOT, own_group=True)
        # One more clip is finished, and another one half-written: the worst moment.
        while not (times(out).keys() > finished.keys() and list(out.glob("p*/.*"))):
            assert process.poll() is None, "it was over before it could be killed"
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

        assert finished.items() <= times(out).items()
        finished = times(out)
        assert len(finished) < 10
        assert not (out / "manifest.jsonl").exists()
        for key in finished:
            record = json.loads((out / key / "clip.json").read_text())
            assert len(list((out / key).glob("*.jpg"))) == record["n_faces"] == 32
            assert (out / key / "mel.npy").is_file()

    result = run(job)
    assert result.prepared == 10 - len(finished)
    assert len(result.accepted) == 10
    assert finished.items() <= times(out).items()
    assert not list(out.glob("p*/.*"))
    undisturbed = replace(job, out=tmp_path / "undisturbed")
    run(undisturbed)
    whole = snapshot(undisturbed.out)
    assert snapshot(out).keys() == whole.keys()
    for name in ("manifest.jsonl", "rejected.jsonl", "train.txt", "val.txt", "test.txt"):
        assert (out / name).read_bytes() == whole[name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data_root=nowhere"], "data_root=nowhere is not a folder"),
        (
            ["data_root=.", "storage=zip"],
            "storage=zip is not available: choose folder, jpeg, compressed or raw.",
        ),
        (["data_root=.", "source=prepared", "storage=folder"], "only packs"),
        (["data_root=nowhere", "source=prepared"], "There is no data set at nowhere"),
        (["data_root=.", "source=youtube"], "source=youtube is not known: choose csv, demo, "),
        (["data_root=.", "pretrain=true"], "pretrain= is now written source.pretrain"),
        (["data_root=.", "fsp=25"], "did you mean 'fps'"),
        (["data_root=.", "detector=mtcnn"], "detector=mtcnn"),
        (
            ["data_root=.", "detect_every=null"],
            "detect_every=null must be a whole number, 1 or more.",
        ),
        (["data_root=.", "cut=maybe"], "cut=maybe must be true or false, or null."),
        (["data_root=.", "detector.size=big"], "size=big must be a whole number"),
        (["data_root=.", "engine=ray", "gpus_per_worker=1.5"], "whole number"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, arguments, words):
    done = prepared(*arguments, f"out={tmp_path / 'out'}")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_network_may_judge_the_sound(tmp_path, videos):
    torch.manual_seed(0)
    expert = save_network(Expert(0.125, 64, last_relu=False), "expert", tmp_path / "e.ckpt")
    content = torch.load(expert)
    content["w2l"]["speakers"] = 6
    torch.save(content, expert)
    save_network(Generator(0.125), "generator", tmp_path / "g.ckpt")
    root = tmp_path / "videos"
    shutil.copytree(videos / "ann", root / "ann")
    for values, words in (
        ([f"sync={tmp_path / 'g.ckpt'}"], "holds neither SyncNet v2 nor an expert"),
        ([f"sync={expert}", "fps=30"], "needs fps=25"),
        ([f"sync={expert}", "min_confidence=2"], "1 lips and sound do not fit, 1 duplicate"),
    ):
        common = [f"data_root={root}", f"out={tmp_path / 'out'}", "engine=serial", "min_frames=16"]
        done = prepared(*common, *values)
        assert done.returncode == 1
        assert words in done.stderr
    assert "was trained on 6 speakers" in " ".join(done.stdout.split())
    rejected = [json.loads(line) for line in lines(tmp_path / "out" / "rejected.jsonl")]
    assert [(r["step"], "frames apart" in r["detail"]) for r in rejected] == [
        ("sync", True), ("duplicates", False),
    ]  # fmt: skip
