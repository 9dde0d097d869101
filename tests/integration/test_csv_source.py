"""`source=csv` from rows to a set: cuts, downloads, and what a second run does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from preprocess.lists import Result
from preprocess.prepare import prepare
from preprocess.report import Report
from preprocess.settings import Job, Recipe
from preprocess.sources import Csv
from tests.integration.command import call, refused
from tests.unit.preprocess.clips import good
from tests.unit.preprocess.server import Site, serving

pytest.importorskip("yt_dlp")


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    good(tmp_path / "site/talk.mp4", frames=50)
    with serving(tmp_path / "site") as served:
        yield served


@pytest.fixture
def job(tmp_path, site) -> Job:
    shutil.copy(tmp_path / "site/talk.mp4", tmp_path / "local.mp4")
    rows = [
        "speaker,path,url,start,end,split,transcript",
        f"ann,,{site.url}/talk.mp4,0,1,train,",
        f"ann,,{site.url}/talk.mp4,1,,train,",
        f"ben,,{site.url}/gone.mp4,,,val,",
        'cy,local.mp4,,0:00:00.4,1.2,test,"So, here"',
    ]
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n")
    return Job(
        Csv(tmp_path / "clips.csv", tmp_path / "out"),
        tmp_path / "out",
        engine="serial",
        device="cpu",
    )


def run(job: Job) -> Result:
    return prepare(job, Recipe(), Report(Console(file=StringIO(), width=200)))


def edit(job: Job, old: str, new: str) -> None:
    assert isinstance(job.source, Csv)
    text = job.source.file.read_text()
    assert old in text
    job.source.file.write_text(text.replace(old, new))


def names(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/[!.]*/clip.json")}


def test_rows_become_a_set(job, site):
    result = run(job)
    assert [(r["clip"].rpartition("_")[2], r["n_frames"]) for r in result.accepted] == [
        ("0-1", 25), ("1-", 25), ("0.4-1.2", 20),
    ]  # fmt: skip
    assert result.accepted[2]["transcript"] == "So, here"
    assert (job.out / "test.txt").read_text() == "cy/local_0.4-1.2\n"
    (rejected,) = result.rejected
    assert (rejected["speaker"], rejected["step"], rejected["reason"]) == (
        "ben", "download", "not downloaded",
    )  # fmt: skip
    assert "404" in rejected["detail"]
    assert rejected == json.loads((job.out / "rejected.jsonl").read_text())
    assert len(site.asked["talk.mp4"]) == 2  # looked at and fetched, once for both rows


def test_a_second_run_does_only_what_changed(job, site):
    run(job)
    before = names(job.out)
    shutil.rmtree(job.out / "downloads")
    assert run(job).prepared == 0
    assert names(job.out) == before
    assert len(site.asked["talk.mp4"]) == 2

    edit(job, "0:00:00.4,1.2", "0:00:00.4,1.6")
    result = run(job)
    assert result.prepared == 1
    assert [record["n_frames"] for record in result.accepted] == [25, 25, 30]

    shutil.copy(site.folder / "talk.mp4", site.folder / "gone.mp4")
    assert run(job).prepared == 0
    assert run(replace(job, retry_rejected=True)).prepared == 1
    assert (job.out / "val.txt").read_text().startswith("ben/")


def test_the_command(job, site, tmp_path):
    values = ["source=csv", f"data_root={job.source.file}", f"out={job.out}", "engine=serial"]
    done = call("-m preprocess", *values, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 not downloaded" in done.stdout
    edit(job, "0:00:00.4,1.2", "0:00:00.4,0.2")
    sentence = refused(call("-m preprocess", *values, cwd=tmp_path))
    assert "clips.csv, line 5: end=0.2 must be later than start=0:00:00.4" in sentence
