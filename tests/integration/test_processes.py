"""No process waits for another that does not come, and all of them know the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command import ROOT, call, environment
from tests.integration.ddp_runs import MONITORS

pytestmark = pytest.mark.long


def torchrun(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Two processes of a script."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc_per_node=2", *arguments]  # fmt: skip
    return subprocess.run(
        command, cwd=cwd, env={**environment(), "OMP_NUM_THREADS": "1"}, capture_output=True,
        text=True, timeout=1000,
    )  # fmt: skip


Seen = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def seen(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What each of two processes saw of the runs in `ddp_runs`."""
    folder = tmp_path_factory.mktemp("runs")
    result = torchrun(
        str(ROOT / "tests/integration/ddp_runs.py"), str(prepared), str(folder), cwd=folder
    )
    assert result.returncode == 0, result.stderr[-3000:]
    first, second = (json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1))
    return first, second


@pytest.mark.parametrize("name", [f"{kind}:{m}" for kind, ms in MONITORS.items() for m in ms])
def test_any_monitor_is_the_same_in_all_processes(name: str, seen: Seen) -> None:
    """Each process has one window to validate with: the set has two clips."""
    first, second = (found[name] for found in seen)
    monitor = name.partition(":")[2]
    assert first["ended"] == second["ended"] == "well"
    assert first["updates"] == second["updates"] == 2
    assert first["metrics"].keys() == second["metrics"].keys()
    for key, value in first["metrics"].items():
        if key.startswith("val/"):
            assert second["metrics"][key] == value, key
    assert first["best"] == second["best"]
    assert ("best.ckpt" in first["files"]) is (monitor != "val/nothing")
    if monitor != "val/nothing":
        assert first["best"] == pytest.approx(first["metrics"][monitor])


@pytest.mark.parametrize(("where", "update"), [("update", 1), ("validation", 2)])
def test_a_signal_to_one_process_stops_all_after_the_same_update(
    where: str, update: int, seen: Seen
) -> None:
    first, second = (found[f"stop:{where}"] for found in seen)
    assert first["ended"] == second["ended"] == "Stopped: SIGTERM"
    assert first["updates"] == second["updates"] == update
    assert f"update-{update:07d}.ckpt" in first["files"]


def test_weights_of_one_process_that_are_no_numbers_end_all(seen: Seen) -> None:
    first, second = (found["nan"] for found in seen)
    assert "numbers of another process were NaN" in first["ended"]
    assert "1 weights (expert.face_encoder" in second["ended"]
    assert first["files"] == []


def test_overfitting_ends_when_all_processes_are_under_the_bar(seen: Seen) -> None:
    assert [found["overfit"]["updates"] for found in seen] == [3, 3]


def test_a_validation_is_that_of_one_process(seen: Seen, prepared: Path, tmp_path: Path) -> None:
    """Six windows by two: of two processes the second batch of each is a single window."""
    script = "tests/integration/ddp_runs.py"
    result = call(script, str(prepared), str(tmp_path), "validate", cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    alone = json.loads((tmp_path / "alone.json").read_text())["validate"]["metrics"]
    sixths = 6 * alone["val/accuracy"]
    assert sixths == pytest.approx(round(sixths))
    for found in seen:
        assert found["validate"]["metrics"] == pytest.approx(alone, rel=1e-4)


def test_the_first_process_says_that_a_training_diverged(prepared: Path, tmp_path: Path) -> None:
    result = torchrun(
        str(ROOT / "train.py"), "experiment=syncnet", "trainer=ddp", "trainer.accelerator=cpu",
        "trainer.devices=2", f"data.root={prepared}", "model.width=0.0625", "debug=fast",
        "run_dir=run", "system.optimizer.lr=1e12", "max_updates=40",
        "trainer.val_check_interval=40", "callbacks.finite_check.every=10", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode != 0
    said = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(said) == 1, result.stderr
    assert "The training has diverged" in said[0]
    assert result.stdout.count("devices: 2, so 2 x 2 = 4 samples an update") == 1
