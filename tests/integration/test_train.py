"""`python train.py` as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.integration.command import Running, call, refused
from tests.integration.test_resume import differences
from tests.waiting import wait_until
from tests.writing import save_network
from w2l.callbacks import Stopped, StopSignals
from w2l.checkpoints import export, read
from w2l.cli.requeue import leave
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


SCONTROL = """#!/bin/sh
echo "$@" >> {log}
case "$1" in show) echo "JobId=77 JobState=RUNNING PreemptTime={preempted}";; esac
"""


def slurm(folder: Path, preempted: str = "None") -> dict[str, str]:
    """The environment of a Slurm job of one task, and a scontrol that writes down its calls."""
    script = folder / "bin" / "scontrol"
    script.parent.mkdir(exist_ok=True)
    script.write_text(SCONTROL.format(log=folder / "scontrol.log", preempted=preempted))
    script.chmod(0o755)
    names = {"JOB_ID": "77", "NTASKS": "1", "PROCID": "0", "LOCALID": "0", "NODEID": "0",
             "JOB_NAME": "train", "NTASKS_PER_NODE": "1", "NNODES": "1"}  # fmt: skip
    variables = {f"SLURM_{name}": value for name, value in names.items()}
    return {**variables, "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}


def interrupted(
    values: list[str], number: int, checkpoints: Path, cwd: Path, extra: dict[str, str]
) -> tuple[int, str]:
    """Start a training, signal its whole group after one more checkpoint; exit code and output."""
    before = set(checkpoints.glob("update-*.ckpt"))
    run = Running("train.py", *values, cwd=cwd, extra=extra, own_group=True)
    wait_until(
        lambda: run.poll() is not None or not set(checkpoints.glob("update-*.ckpt")) <= before
    )
    assert run.poll() is None, run.stdout + run.stderr
    os.killpg(run.pid, number)
    ended = run.done()
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.long
def test_an_often_stopped_run_is_the_one_that_was_not(prepared: Path, tmp_path: Path) -> None:
    run_dir, whole = tmp_path / "run", tmp_path / "whole"
    save_network(Expert(1 / 16, image_size=32), "expert", tmp_path / "expert.ckpt")
    common = ["experiment=wav2lip_gan", f"data.root={prepared}", NARROW, "debug=fast",
              "expert=expert.ckpt", "model.image_size=32", "data.num_workers=2",
              "data.repeats=3", "trainer.val_check_interval=7", "checkpoint_every=4",
              "max_updates=40", "resume=auto", "callbacks.sync_gate.below=100",
              "callbacks.lip_report.clips=2"]  # fmt: skip
    values = [*common, f"run_dir={run_dir}"]
    cases: list[tuple[int, int, str, dict[str, str]]] = [
        (signal.SIGUSR1, 138, "Slurm job 77 is in the queue again", slurm(tmp_path)),
        (signal.SIGTERM, 143, "stopped by SIGTERM; checkpoint: ", {}),
        (signal.SIGINT, 130, "interrupted; what was finished is kept", {}),
        (signal.SIGKILL, -signal.SIGKILL, "", {}),
    ]
    for number, code, words, extra in cases:
        checkpoints = run_dir / "checkpoints"
        left, output = interrupted(values, number, checkpoints, tmp_path, extra)
        assert left == code, output
        assert words in output
        assert "Traceback" not in output
        assert not list(checkpoints.glob(".*")) or number == signal.SIGKILL
    assert (tmp_path / "scontrol.log").read_text() == "requeue 77\n"
    for folder in (run_dir, whole):
        result = call("train.py", *common, f"run_dir={folder}", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert steps(whole) == list(range(40))
    assert (run_dir / "csv" / "metrics.csv").read_text() == (
        whole / "csv" / "metrics.csv"
    ).read_text()
    one, other = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        for folder in (run_dir, whole)
    )
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", "random"):
        assert list(differences(one[part], other[part])) == []


@pytest.mark.parametrize(("preempted", "queued"), [("None", False), ("2026-01-01T00:00:00", True)])
def test_slurm_is_asked_whether_a_sigterm_was_pre_emption(
    preempted: str, queued: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in slurm(tmp_path, preempted).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as left:
        leave(Stopped(signal.SIGTERM, tmp_path), StopSignals(), speaks=True)
    assert left.value.code == 143
    calls = (tmp_path / "scontrol.log").read_text().splitlines()
    assert calls == ["show job 77", *(["requeue 77"] if queued else [])]


def test_no_expert_is_taken_that_lies_around(prepared: Path, experts: Path) -> None:
    values = ["experiment=wav2lip", f"data.root={prepared}", NARROW, "debug=fast", "logger=wandb",
              "run_dir=outputs/run"]  # fmt: skip
    assert "expert= is needed" in refused(call("train.py", *values, cwd=experts))
    result = call("train.py", *values, "expert=outputs/expert.ckpt", cwd=experts)
    assert result.returncode == 0, result.stderr
    made = read(experts / "outputs" / "run" / "checkpoints" / "last.ckpt")
    assert (made.pads, made.speakers) == ((0, 0, 0, 0), 4)
    assert "expert: outputs/expert.ckpt" in result.stdout
    run_dir = experts / "outputs" / "run"
    assert (run_dir / "samples" / "0000002.png").is_file()
    assert list(run_dir.glob("wandb/offline-run-*")), "W&B was not used offline"
    assert (run_dir / "checkpoints" / "best.ckpt").is_file()
    assert steps(run_dir) == [0, 1]


@pytest.mark.long
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
    save_network(Expert(1 / 16, 128), "expert", tmp_path / "large.ckpt")
    data = f"data.root={prepared}"
    cases = {
        (): "syncnet",
        ("experiment=syncne",): "experiment=syncne is not known: choose demo_syncnet,",
        ("experiment=syncnet", "data.rot=x"): "did you mean 'data.root'",
        ("experiment=syncnet", "data.leads=1"): "data takes balance, batch_size, cache,",
        ("experiment=syncnet", "system.optimizer.rate=1"): "takes amsgrad, betas, capt",
        (
            "experiment=syncnet",
            "system.optimizer.learning_rate=1",
        ): "now written system.optimizer.lr",
        ("experiment=syncnet", "+system.optimizer.hue=1"): "argument 'hue'; its signature is torch",
        ("experiment=syncnet", "system.optimizer.weight_decay=1"): "weight_decay=… adds it",
        ("experiment=syncnet", "trainer.max_steps=9"): "now written max_updates",
        ("experiment=syncnet", "+x.y=1", "x.z=2"): "+x.z=… adds one",
        ("experiment=syncnet", "+modell.width=1"): "nothing reads: did you mean 'model'",
        ("experiment=syncnet", "++nonsense=1"): "+nonsense=… adds a key that nothing reads",
        ("experiment=syncnet", "+mine=no", "seed=${mine}"): "seed=no must be a whole number",
        ("experiment=syncnet", "++overfit.samples=1", "seed=no"): "seed=no must be a whole",
        ("experiment=syncnet", "data._target_=mydata.X"): "No module named 'mydata'",
        ("experiment=wav2lip", data): "expert= is needed",
        ("experiment=wav2lip", data, NARROW, "model.image_size=48", f"expert={expert}"): (
            "is one for faces of 96 px, and this generator makes 48 px"
        ),
        ("--face", "x"): "--face is no switch of this command",
        ("experiment=syncnet", "seed=many"): "seed=many must be a whole number",
        ("experiment=syncnet", f"data.root={tmp_path / 'empty'}"): "train.txt is missing",
        ("experiment=syncnet", data, NARROW, "run_dir=file/run"): "choose another run_dir",
        ("experiment=syncnet", data, NARROW, "resume=nowhere.ckpt"): "no such file",
        ("experiment=syncnet", data, NARROW, f"resume={expert}"): "no state of a training",
        ("experiment=syncnet", data, NARROW, "resume=other.ckpt"): "another experiment",
        ("experiment=syncnet", data, NARROW, "resume=empty"): "no checkpoint in this folder",
        ("experiment=syncnet", data, NARROW, "resume=auto"): "name one, as run_dir=",
        (
            "experiment=syncnet",
            data,
            "keep_last=0",
        ): "keep_last=0 must be a whole number, 1 or more",
        ("experiment=wav2lip", data, f"expert={experts / 'generator.ckpt'}"): "generator",
        ("experiment=wav2lip", "data.root=nowhere", "expert=large.ckpt"): "large.ckpt is one for",
        ("experiment=syncnet", data, NARROW, "trainer.precision=16-mixed"): "float16 needs",
        (
            "experiment=syncnet",
            data,
            "data.batch_size=0",
        ): "batch_size=0 must be a whole number, 1 or",
        ("experiment=syncnet", data, "data.image_size=95"): "is not model.image_size=96",
        (
            "experiment=syncnet",
            data,
            "debug=fast",
            NARROW,
            "run_dir=none",
            "trainer.limit_train_batches=0",
        ): "Nothing was trained",
        ("experiment=syncnet", data, NARROW, "trainer.strategy=fsdp"): "use trainer=ddp",
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


def test_an_expert_of_one_speaker_and_lists_that_share_clips_are_warned_of(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "one"
    shutil.copytree(prepared, root)
    common = ["experiment=syncnet", "debug=fast", NARROW, "model.image_size=64"]
    shutil.copytree(root / "train0" / "00001", root / "train0" / "00002")
    same, other = ["train0/00001", "train0/00002"], ["train0/00001", "train1/00001"]
    for names, warned in ((same, True), (other, False)):
        (root / "train.txt").write_text("\n".join(names))
        (root / "val.txt").write_text("val0/00001\n" + ("train0/00001\n" if warned else ""))
        values = [*common, f"data.root={root}", f"run_dir={tmp_path / str(warned)}"]
        monkeypatch.setattr(sys, "argv", ["train.py", *values])
        main()
        said = capsys.readouterr().out
        assert ("all training clips are of one speaker" in said) is warned
        assert ("1 of 2 validation clips are training clips, too" in said) is warned
        made = tmp_path / str(warned) / "checkpoints" / "last.ckpt"
        export(made, tmp_path / "published.pth")
        assert read(made).speakers == read(tmp_path / "published.pth").speakers == 2 - warned
    (root / "train.txt").write_text("train0/00001\n")
    monkeypatch.setattr(sys, "argv", ["train.py", *common, f"data.root={root}", "run_dir=alone"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.startswith("error: An expert cannot learn from one window")


def test_a_run_keeps_what_it_was_made_with_and_shows_images_on_the_board(
    prepared: Path, experts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expert = experts / "outputs" / "expert.ckpt"
    run_dir = tmp_path / "run"
    values = ["experiment=wav2lip", "debug=fast", NARROW, f"data.root={prepared}",
              "logger=tensorboard", f"expert={expert}", f"run_dir={run_dir}"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["train.py", *values])
    main()
    found = json.loads((run_dir / "environment.json").read_text())
    assert found["torch"] == torch.__version__
    assert found["command"][0] == "train.py"
    board = EventAccumulator(str(run_dir / "tensorboard"))
    board.Reload()
    assert board.Tags()["images"] == ["validation/samples"]
    assert "train/loss_l1" in board.Tags()["scalars"]
    assert len(list((run_dir / "samples").glob("0000002_*.mp4"))) == 2
