"""LRS3, LRW and GRID from their own layouts to a set, and the wrong one at the command line."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.integration.command import call, refused
from tests.unit.preprocess.clips import good


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """29 frames, as LRW's clips have."""
    return good(tmp_path_factory.mktemp("clip") / "a.mp4", frames=29)


def lay_out(root: Path, video: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, root / name)
    return root


def prepare(tmp_path: Path, *values: str) -> tuple[list[dict], str]:
    """The manifest, and what was said."""
    arguments = (*values, "out=set", "engine=serial", "device=cpu", "storage=folder")
    done = call("-m preprocess", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "set/manifest.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], done.stdout


def test_lrs3(tmp_path, video):
    root = lay_out(
        tmp_path / "lrs3", video,
        "trainval/one/50001.mp4", "trainval/two/50001.mp4", "test/three/00001.mp4",
    )  # fmt: skip
    (root / "trainval/one/50001.txt").write_text("Text:  GOOD EVENING\nConf:  5\n")
    manifest, said = prepare(tmp_path, "source=lrs3", f"data_root={root}")
    assert [(line["speaker"], line["transcript"]) for line in manifest] == [
        ("one", "GOOD EVENING"), ("two", None), ("three", None),
    ]  # fmt: skip
    assert {line["split"] for line in manifest[:2]} == {"train", "val"}
    assert (tmp_path / "set/test.txt").read_text() == "three/00001\n"
    assert "holds 2 clips; LRS3's has 31982" in said


def test_lrw(tmp_path, video):
    root = lay_out(
        tmp_path / "lrw", video,
        "ABOUT/train/ABOUT_00001.mp4", "ABOUT/val/ABOUT_00001.mp4", "ABOUT/test/ABOUT_00001.mp4",
    )  # fmt: skip
    manifest, said = prepare(tmp_path, "source=lrw", f"data_root={root}")
    assert [(line["clip"], line["split"]) for line in manifest] == [
        (f"{split}_ABOUT_00001", split) for split in ("train", "val", "test")
    ]
    assert {(line["n_frames"], line["transcript"]) for line in manifest} == {(29, "ABOUT")}
    assert "not by person" in said


def test_grid(tmp_path, video):
    (tmp_path / "grid").mkdir()
    for speaker, name in (("s1", "bbaf2n"), ("s3", "lwbsza")):
        with zipfile.ZipFile(tmp_path / f"grid/{speaker}.zip", "w") as archive:
            archive.write(video, f"{speaker}/{name}.mpg")
    (tmp_path / "grid/s34").mkdir()
    (tmp_path / "grid/s34/bbab9n.mpg").write_bytes(video.read_bytes()[:99])
    manifest, said = prepare(tmp_path, "source=grid", f"data_root={tmp_path / 'grid'}")
    assert [(line["speaker"], line["split"], line["transcript"]) for line in manifest] == [
        ("s1", "train", "bin blue at f two now"), ("s3", "test", "lay white by s zero again"),
    ]  # fmt: skip
    rejected = json.loads((tmp_path / "set/rejected.jsonl").read_text())
    assert (rejected["speaker"], rejected["reason"]) == ("s34", "broken file")
    assert "holds 3 of GRID's 33000 videos" in " ".join(said.split())


def test_the_wrong_layout_is_one_sentence(tmp_path, video):
    root = lay_out(tmp_path / "lrs3", video, "trainval/one/50001.mp4")
    sentence = refused(
        call("-m preprocess", "source=lrw", f"data_root={root}", "out=set", cwd=tmp_path)
    )
    assert "found LRS3's; use source=lrs3." in sentence
