"""Preparation on Ray gives the set that one process gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.command import ROOT, call
from tests.unit.preprocess.clips import good

pytestmark = pytest.mark.long

SAME = ("duplicates=none", "min_frames=16")  # the clips are copies, and short


def files(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def test_ray_prepares_the_same_set(tmp_path):
    pytest.importorskip("ray")
    videos = tmp_path / "videos"
    one = good(videos / "ann/1.mp4", frames=16)
    for name in ("ann/2", "ben/1", "cy/1"):
        (videos / name).parent.mkdir(exist_ok=True)
        shutil.copy(one, videos / f"{name}.mp4")
    (videos / "cy/text.mp4").write_text("no video")
    sets = []
    for engine in ("serial", "ray"):
        out = tmp_path / engine / "set"
        given = ("storage=folder", "device=cpu", *SAME, f"engine={engine}", "workers=2")
        done = call("-m preprocess", *given, f"data_root={videos}", f"out={out}", cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        sets.append(files(out))
        said = done.stdout.replace(str(out), "out")
    assert "rejected: 1 broken file" in said
    assert "(raylet)" not in said
    assert sets[0].keys() == sets[1].keys()
    assert {"ann/1/clip.json", "manifest.jsonl", "rejected.jsonl"} < sets[1].keys()
    assert not [name for name in sets[0] if sets[0][name] != sets[1][name]]
