"""`python -m evaluation benchmark=demo` on a set and networks that take seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from preprocess.demo.recordings import recordings
from preprocess.demo.render import render_clip
from tests.integration.command import call, refused
from tests.writing import save_network
from w2l.models import Expert, Generator

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/demo of six clips, and untrained networks where runs leave them."""
    folder = tmp_path_factory.mktemp("demo")
    videos = folder / "videos"
    for recording in recordings():
        if recording.speaker in {"s1", "s2", "s3"} and recording.clip in {"train1", "train2"}:
            render_clip(videos / recording.speaker / f"{recording.clip}.mp4", recording)
    result = call("-m preprocess", "source=folder", f"data_root={videos}", "out=set", cwd=folder)
    assert result.returncode == 0, result.stderr
    videos.rename(folder / "set" / "videos")
    names = sorted(
        f"{path.parent.parent.name}/{path.parent.name}"
        for path in (folder / "set").glob("s*/*/clip.json")
    )
    assert len(names) == 6
    for split in ("train", "test"):
        (folder / "set" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names[:3]))
    torch.manual_seed(0)
    for name, network in {"expert": Expert(0.05), "judge": Expert(0.05)}.items():
        save_network(network, "expert", folder / name / "checkpoints" / "last.ckpt")
    save_network(Generator(0.05), "generator", folder / "generator" / "checkpoints" / "last.ckpt")
    return folder


def arguments(**changed: str) -> list[str]:
    values = {
        "benchmark": "demo",
        "data_root": "set",
        "out": "report",
        **{
            key: f"{folder}/checkpoints/last.ckpt"
            for key, folder in (
                ("checkpoint", "generator"), ("expert", "expert"), ("judge", "judge")
            )
        },
        **changed,
    }  # fmt: skip
    return [f"{key}={value}" for key, value in values.items()]


def test_the_report_holds_what_others_read(demo: Path) -> None:
    result = call("-m evaluation", *arguments(), cwd=demo)
    assert result.returncode == 0, result.stderr
    shutil.copytree(demo / "report" / "benchmark", demo / "strict" / "benchmark")  # not made again
    strict = call("-m evaluation", *arguments(out="strict"), "strict=true", cwd=demo)
    assert "None of 4 pairs could be scored" in refused(strict)
    assert (demo / "strict" / "metrics.json").is_file()
    metrics = json.loads((demo / "report" / "metrics.json").read_text())
    for key in (
        "expert_pair_accuracy",
        "expert_balanced_accuracy",
        "expert_offset_within_1",
        "judge_right_minus_wrong",
        "seconds",
    ):
        assert isinstance(metrics[key], float), key
    assert metrics["n_clips"] == 3
    gap = metrics["judge_right"] - metrics["judge_wrong"]
    assert metrics["judge_right_minus_wrong"] == pytest.approx(gap)
    page = (demo / "report" / "index.html").read_text()
    assert f"{metrics['expert_pair_accuracy']:.3f}" in page
    assert page.count("data:image/png") >= 2
    assert 'src="http' not in page
    # Four pairs of the same clips as a benchmark has them; untrained, they may show no face.
    pairs = json.loads((demo / "report" / "benchmark" / "results.json").read_text())
    found = pairs["sets"]["demo"]
    assert found["n_scored"] + found["n_failed"] == found["n_pairs"] == 4
    assert set(found["failed"]) <= {"cannot be scored"}
    assert (pairs["protocol"], pairs["weights"]["syncnet"]) == ("lrs", None)
    assert "4 pairs: " in result.stdout
    assert len(list((demo / "report" / "benchmark" / "videos").rglob("*.mp4"))) == 4


def test_bad_input_is_one_sentence(demo: Path) -> None:
    missing = call("-m evaluation", *arguments(judge="nobody.ckpt"), cwd=demo)
    assert "nobody.ckpt" in refused(missing)
    unknown = call("-m evaluation", *arguments(benchmark="lrs9"), cwd=demo)
    assert "lrs9" in refused(unknown)
    nothing = call("-m evaluation", *arguments(data_root="nowhere"), cwd=demo)
    assert "nowhere" in refused(nothing)
    few = demo / "few"
    few.mkdir()
    for file in (demo / "set").iterdir():
        (few / file.name).symlink_to(file)
    names = (few / "test.txt").read_text().splitlines(keepends=True)
    (few / "test.txt").unlink()
    (few / "test.txt").write_text("".join(names[:2]))
    result = call("-m evaluation", *arguments(data_root="few"), cwd=demo)
    assert "few/test.txt has 2 of the 3 clips" in refused(result)
