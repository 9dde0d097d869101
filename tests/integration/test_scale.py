"""Several processes are one training: the same samples, each once, and the same gradients."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir

from tests.configs.test_train_configs import composed
from tests.integration.command import ROOT, call, environment
from w2l.building import CONFIG_DIR
from w2l.cli.hydra_app import register
from w2l.cli.keys.train import Train


@pytest.mark.long
def test_two_processes_share_an_epoch_and_average_its_gradients(
    prepared: Path, tmp_path: Path
) -> None:
    for processes, batch_size in ((1, 4), (2, 2)):
        result = call(
            "tests/integration/ddp_epoch.py",
            str(prepared), str(tmp_path), str(processes), str(batch_size), cwd=tmp_path,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr[-2000:]
    alone, first, second = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")
    )
    assert alone["updates"] == first["updates"] == 4
    assert sorted(alone["seen"]) == list(range(16))
    assert not set(first["seen"]) & set(second["seen"])
    assert sorted(first["seen"] + second["seen"]) == list(range(16))
    for update in range(4):  # the global batch of each update is that of one process
        both = first["seen"][2 * update :][:2] + second["seen"][2 * update :][:2]
        assert set(both) == set(alone["seen"][4 * update :][:4])
    assert torch.equal(first["gradients"], second["gradients"])
    assert float(alone["gradients"].abs().max()) > 0
    torch.testing.assert_close(first["gradients"], alone["gradients"], rtol=1e-9, atol=1e-12)


@pytest.mark.long
def test_torchrun_trains_on_two_processes(prepared: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
        str(ROOT / "train.py"), "experiment=syncnet", "trainer=ddp", "trainer.accelerator=cpu",
        "trainer.devices=2", f"data.root={prepared}", "model.width=0.0625", "debug=fast",
        "run_dir=run",
    ]  # fmt: skip
    threads = {**environment(), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=tmp_path, env=threads, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("checkpoint: run/checkpoints/last.ckpt") == 1, "both spoke"
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 2
    assert len(state["random"]) == 2, "each process has its random states"


def test_cluster_recipes_start_a_training_that_composes() -> None:
    folder = ROOT / "scripts" / "cluster"
    script = folder / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    service, job = yaml.safe_load_all((folder / "kubernetes.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    assert service["metadata"]["name"] == pod["subdomain"]
    lines = {
        "slurm": script.read_text().splitlines()[-1].replace('"$@"', "experiment=wav2lip"),
        "kubernetes": pod["containers"][0]["args"][0],
    }
    for name, line in lines.items():
        _, _, values = line.partition("train.py ")
        cfg = composed(*values.split(), "run_dir=x")
        assert cfg.resume == "auto", name
        assert cfg.trainer.num_nodes * cfg.trainer.devices == 8, name
    directives = re.findall(r"#SBATCH --([\w-]+)=?(\S*)", script.read_text())
    assert dict(directives)["ntasks-per-node"] == dict(directives)["gpus-per-node"] == "4"
    assert dict(directives)["signal"].startswith("USR1@"), "to the tasks, not to the script"
    assert "requeue" in dict(directives)


def test_slurm_launcher_composes() -> None:
    register(Train)
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        cfg = compose(
            "train",
            ["experiment=syncnet", "hydra/launcher=slurm", "run_dir=x"],
            return_hydra_config=True,
        )
    assert cfg.hydra.launcher._target_.endswith("SlurmLauncher")
    assert cfg.hydra.launcher.max_num_timeout > 0, "a run may go back into the queue"
    assert cfg.hydra.launcher.signal_delay_s >= 60
