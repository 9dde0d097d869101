"""`--multirun`: launchers, sweepers, a folder for each job, and errors that are seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.integration.command import call

pytestmark = pytest.mark.long


NARROW = ["model.width=0.0625", "debug=fast", "run_dir=sweep"]


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_each_job_has_its_folder(launcher: str, prepared: Path, tmp_path: Path) -> None:
    values = ["experiment=syncnet", f"data.root={prepared}", *NARROW, f"hydra/launcher={launcher}"]
    result = call("train.py", "--multirun", *values, "seed=1,2", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for job, seed in enumerate((1, 2)):
        folder = tmp_path / "sweep" / str(job)
        assert yaml.safe_load((folder / "config.yaml").read_text())["seed"] == seed
        assert (folder / "checkpoints" / "last.ckpt").is_file()
        assert (folder / "csv" / "metrics.csv").is_file()
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert all(f'href="{job}/report.html"' in page for job in (0, 1))
    assert page.count("<polyline") == 2


def test_optuna_searches_the_experts_settings(prepared: Path, tmp_path: Path) -> None:
    values = [
        "experiment=demo_syncnet", "hparams_search=expert_optuna", "hydra.sweeper.n_trials=2",
        f"data.root={prepared}", *NARROW, "data.samples.windows=3", "data.val_samples.windows=3",
    ]  # fmt: skip
    result = call("train.py", "--multirun", *values, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    best = yaml.safe_load((tmp_path / "sweep" / "optimization_results.yaml").read_text())
    assert 0 <= best["best_value"] <= 1, "an accuracy"
    tried = {
        yaml.safe_load((tmp_path / "sweep" / job / "config.yaml").read_text())["system"][
            "optimizer"
        ]["lr"]
        for job in ("0", "1")
    }
    assert best["best_params"]["system.optimizer.lr"] in tried
    assert len(tried) == 2


def test_a_failed_job_is_seen_and_the_others_go_on(prepared: Path, tmp_path: Path) -> None:
    values = ["experiment=syncnet", f"data.root={prepared}", *NARROW, "hydra/launcher=joblib"]
    result = call("train.py", "--multirun", *values, "resume=nowhere.ckpt,null", cwd=tmp_path)
    assert result.returncode == 1
    assert "error: job 0 (" in result.stderr
    assert "error: resume=nowhere.ckpt: there is no such file." in result.stderr
    assert "Traceback" not in result.stderr
    assert (tmp_path / "sweep" / "1" / "checkpoints" / "last.ckpt").is_file()
    assert "job 0: resume=nowhere.ckpt" in (tmp_path / "sweep" / "report.html").read_text()
