"""`python train.py` as a user runs it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.integration.command import arguments, call, environment
from tests.writing import save_network
from w2l.cli.train import main
from w2l.models import Expert, Generator

NARROW = "model.width=0.0625"


@pytest.fixture(scope="session")
def experts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a narrow expert and a narrow generator."""
    folder = tmp_path_factory.mktemp("experts")
    save_network(Expert(1 / 16), "expert", folder / "outputs" / "expert.ckpt")
    save_network(Generator(1 / 16), "generator", folder / "generator.ckpt")
    return folder


def steps(run_dir: Path) -> list[int]:
    with (run_dir / "csv" / "metrics.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]


def test_a_killed_run_resumes(prepared: Path, experts: Path, tmp_path: Path) -> None:
    common = ["experiment=wav2lip_gan", f"data.root={prepared}", NARROW, "debug=fast",
              f"expert={experts / 'outputs' / 'expert.ckpt'}", "logger=csv"]  # fmt: skip
    run_dir, last = tmp_path / "run", tmp_path / "run" / "checkpoints" / "last.ckpt"
    log = (tmp_path / "log").open("w")
    command = arguments("train.py", *common, f"run_dir={run_dir}", "max_updates=100000")
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=log, stderr=log, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not last.exists():
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    log.close()
    done = torch.load(last, weights_only=True)["global_step"] // 2
    assert done >= 1
    again = tmp_path / "again"
    values = [f"run_dir={again}", f"resume={last}", f"max_updates={done + 2}"]
    result = call("train.py", *common, *values, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert steps(again) == [done, done + 1]
    saved = torch.load(again / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 2 * (done + 2)
    assert not list(last.parent.glob(".*")), "a half-written checkpoint was left"


def test_the_newest_expert_under_outputs_is_the_default(prepared: Path, experts: Path) -> None:
    values = ["experiment=wav2lip", f"data.root={prepared}", NARROW, "debug=fast", "logger=wandb"]
    result = call("train.py", *values, "run_dir=outputs/run", cwd=experts)
    assert result.returncode == 0, result.stderr
    assert "expert: outputs/expert.ckpt" in result.stdout
    run_dir = experts / "outputs" / "run"
    assert (run_dir / "samples" / "0000002.png").is_file()
    assert list(run_dir.glob("wandb/offline-run-*")), "W&B was not used offline"
    assert (run_dir / "checkpoints" / "best.ckpt").is_file()
    assert steps(run_dir) == [0, 1]


def test_two_processes_train_together(prepared: Path, tmp_path: Path) -> None:
    result = call("tests/integration/ddp_weights.py", str(prepared), str(tmp_path), cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("apart")]
    _, apart, _, moved, _, updates = line.split()
    assert float(apart) == 0
    assert float(moved) > 1e-5
    assert updates == "2"


def test_bad_input_is_one_sentence(
    prepared: Path,
    experts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    expert = experts / "outputs" / "expert.ckpt"
    state = {"generator.weight": torch.zeros(1)}
    torch.save({"state_dict": state, "optimizer_states": []}, tmp_path / "other.ckpt")
    data = f"data.root={prepared}"
    cases = {
        (): "syncnet",
        ("experiment=syncne",): "Available options",
        ("experiment=syncnet", "data.rot=x"): "did you mean 'data.root'",
        ("experiment=syncnet", "data.leads=1"): "+data.leads=",
        ("experiment=syncnet", "seed=many"): "seed must be a number",
        ("experiment=syncnet", f"data.root={tmp_path / 'empty'}"): "train.txt is missing",
        ("experiment=syncnet", data, "run_dir=file/run"): "choose another run_dir",
        ("experiment=syncnet", data, "resume=nowhere.ckpt"): "no such file",
        ("experiment=syncnet", data, f"resume={expert}"): "no state of a training",
        ("experiment=syncnet", data, "resume=other.ckpt"): "another experiment",
        ("experiment=wav2lip", data, f"expert={experts / 'generator.ckpt'}"): "generator",
    }
    monkeypatch.chdir(tmp_path)
    for values, part in cases.items():
        monkeypatch.setattr(sys, "argv", ["train.py", *values])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 1
        output = capsys.readouterr()
        (sentence,) = output.err.strip().splitlines()
        assert sentence.startswith("error: ")
        assert part in sentence, values
        assert "search path" not in sentence
