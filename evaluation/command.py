"""The command: a composed config becomes objects."""

from __future__ import annotations

import time
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from evaluation.demo import Trial, run_demo
from w2l.checkpoints import load_expert, load_generator, resolve
from w2l.cli.hydra_app import run
from w2l.errors import UserError
from w2l.faces import build_detector
from w2l.inference import FaceGenerator, pick_device


def main() -> None:
    """Run `python -m evaluation`."""
    run(evaluation, "evaluation")


def evaluation(cfg: DictConfig) -> None:
    """Run the benchmark that the config names.

    Raises:
        UserError: there is no such benchmark, or a file is missing or wrong.
    """
    if cfg.benchmark != "demo":
        raise UserError(
            f"benchmark={cfg.benchmark} is not available in this version: use benchmark=demo."
        )
    device = str(pick_device(cfg.device))
    files = {key: resolve(cfg[key]) for key in ("checkpoint", "expert", "judge")}
    trial = Trial(
        lipsync=FaceGenerator(load_generator(files["checkpoint"]), device),
        expert=load_expert(files["expert"]),
        judge=load_expert(files["judge"]),
        detector=build_detector("centerface", device=device),
        runs={
            "expert": run_dir(files["expert"]),
            "judge": run_dir(files["judge"]),
            "generator": run_dir(files["checkpoint"]),
        },
        data_root=Path(cfg.data_root).expanduser(),
        out=Path(cfg.out).expanduser(),
        started=time.time() if cfg.started is None else float(cfg.started),
    )
    run_demo(trial, Console())


def run_dir(checkpoint: Path) -> Path:
    """The folder of the run that wrote `<run>/checkpoints/<name>.ckpt`."""
    return checkpoint.resolve().parent.parent
