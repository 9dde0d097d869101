"""The command: a composed config says which of its jobs is done."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from evaluation.keys import Evaluation
from w2l.cli.hydra_app import run
from w2l.errors import UserError, either
from w2l.paths import user_path

JOBS = ("benchmark", "compare", "pipelines", "results", "show")
NO_PAIRS = ("benchmark", "pipelines", "results", "show")
BENCHMARKS = ("lrs2", "lrs3", "lrw", "real", "demo")


def main() -> None:
    """Run `python -m evaluation`."""
    run(evaluation, Evaluation)


def evaluation(settings: Evaluation) -> None:
    """Run a benchmark, compare files of scores or pipelines, or write a page of results.

    Raises:
        UserError: nothing or two things are asked for, or what is needed is missing or wrong.
    """
    if settings.pairs is not None and all(getattr(settings, key) is None for key in NO_PAIRS):
        from evaluation.people import people

        people(settings, Console(highlight=False))
        return
    asked = [key for key in JOBS if getattr(settings, key) is not None]
    if len(asked) != 1:
        raise UserError(
            f"Choose one of benchmark={either(BENCHMARKS)}, compare=[a.json,b.json], "
            "pairs=FOLDER, pipelines=VIDEOS, results=FOLDER and show=[source,result] (--cfg job "
            "says more)."
        )
    console = Console(highlight=False)
    if asked == ["compare"]:
        from evaluation.report.compare_command import compare

        compare(settings, console)
    elif asked == ["pipelines"]:
        from evaluation.pipelines import compare_pipelines

        compare_pipelines(settings, console)
    elif asked == ["results"]:
        from evaluation.report.page import write_page

        console.print(str(write_page(user_path(settings.results))))
    elif asked == ["show"]:
        from evaluation.show import show

        show(settings, console)
    elif settings.benchmark not in BENCHMARKS:
        raise UserError(f"benchmark={settings.benchmark} is unknown: choose {either(BENCHMARKS)}.")
    elif settings.benchmark == "demo":
        _demo(settings, console)
    else:
        from evaluation.benchmark import benchmark

        _need(settings, "checkpoint", "data_root")
        benchmark(settings, console)


def _need(settings: Evaluation, *keys: str) -> None:
    missing = [key for key in keys if getattr(settings, key) is None]
    if missing:
        raise UserError(
            f"benchmark={settings.benchmark} needs {', '.join(f'{key}=…' for key in missing)}."
        )


def _demo(settings: Evaluation, console: Console) -> None:
    """The report of the demo, then a few of its pairs as a benchmark has them."""
    # Loads torch and Lightning, for which the other jobs need not wait.
    from evaluation.benchmark import demo_pairs
    from evaluation.demo import Trial, run_demo
    from w2l.building import Component, named_group
    from w2l.checkpoints import load_expert, load_generator, resolve
    from w2l.inference import FaceGenerator, pick_device

    _need(settings, "checkpoint", "expert", "judge")
    device = str(pick_device(settings.device))
    files = {key: resolve(getattr(settings, key)) for key in ("checkpoint", "expert", "judge")}
    started = settings.started
    trial = Trial(
        lipsync=FaceGenerator(load_generator(files["checkpoint"]), device),
        expert=load_expert(files["expert"]),
        judge=load_expert(files["judge"]),
        detector=Component.of(named_group("detector", "centerface")).build(device=device),
        runs={
            "expert": run_dir(files["expert"]),
            "judge": run_dir(files["judge"]),
            "generator": run_dir(files["checkpoint"]),
        },
        data_root=user_path(settings.data_root or "data/demo"),
        out=user_path(settings.out or "outputs/demo"),
        started=time.time() if started is None else float(started),
    )
    run_demo(trial, console)
    demo_pairs(settings, trial.data_root, trial.out / "benchmark", console)


def run_dir(checkpoint: Path) -> Path:
    """The folder of the run that wrote `<run>/checkpoints/<name>.ckpt`."""
    return checkpoint.resolve().parent.parent
