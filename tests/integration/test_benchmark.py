"""`python -m evaluation benchmark=lrs2` as a user runs it: killed, taken up, compared."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.integration.command import Running, call, refused
from tests.unit.evaluation import pair_set
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("benchmark")
    pair_set.clips(made / "clips")
    pair_set.networks(made)
    (made / "filelists").mkdir()
    lines = ["ann/1 ben/1", "ann/1 ben/nobody", "ben/1 ann/1", "ben/1 ben/1"]
    (made / "filelists/lrs2.txt").write_text("".join(f"{line}\n" for line in lines))
    return made


GIVEN = (
    "benchmark=lrs2", "checkpoint=generator.ckpt", "expert=expert.ckpt", "syncnet=none",
    "data_root=clips", "detector=centerface", "box=[20,140,20,140]", "device=cpu",
)  # fmt: skip


@pytest.mark.long
def test_a_killed_run_is_taken_up_by_another_engine(folder: Path) -> None:
    first = folder / "out/pairs/lrs2/0.json"
    run = Running(
        "-m evaluation", *GIVEN, "engine=process", "workers=1", "out=out",
        cwd=folder, own_group=True,
    )  # fmt: skip
    wait_until(lambda: first.is_file() or run.poll() is not None)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert first.is_file(), "no pair was done before the end"
    written = first.stat().st_mtime_ns
    result = call("-m evaluation", *GIVEN, "engine=serial", "out=out", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "of 4 pairs were done before" in result.stdout
    assert "4 pairs: 3 scored, 1 failed (1 file missing)" in result.stdout
    assert "failed (file missing), the first: lrs2/1, ann/1 on ben/nobody" in result.stdout
    assert first.stat().st_mtime_ns == written
    found = json.loads((folder / "out/results.json").read_text())
    assert [clip["error"] for clip in found["clips"]] == [None, "file missing", None, None]
    assert found["made_with"]["command"].startswith("python -m evaluation benchmark=lrs2 checkpo")
    assert found["weights"]["generator"]["file"] == "generator.ckpt"
    videos = {path.name for path in (folder / "out/videos/lrs2").iterdir()}
    assert videos == {"0.mp4", "2.mp4", "3.mp4"}
    table = (folder / "out/results.md").read_text()
    assert "| Wav2Lip | 6.386 | 7.789 † |" in table
    assert f"SHA-256 {found['weights']['expert']['sha256']}" in table

    (folder / "out/results.json").unlink()
    strict = call("-m evaluation", *GIVEN, "engine=serial", "out=out", "strict=true", cwd=folder)
    assert "1 of 4 pairs could not be scored, and the images of 0" in refused(strict)
    assert (folder / "out/results.json").is_file()


def test_bad_input_is_one_sentence(folder: Path) -> None:
    none = call("-m evaluation", *GIVEN[:4], "data_root=nowhere", "box=[1,9,1,9]", cwd=folder)
    assert "data_root=nowhere is not a folder" in refused(none)
    weights = call("-m evaluation", *GIVEN[:3], "data_root=clips", "syncnet=none", cwd=folder)
    assert "detector=centerface needs no file" in refused(weights)
