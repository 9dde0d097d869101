"""The command: a name becomes a module, its measurement the last line of the output."""

from __future__ import annotations

import json
from importlib import import_module

from omegaconf import DictConfig
from rich.console import Console

from w2l.cli.hydra_app import run
from w2l.errors import UserError

# name → module with `measure(cfg, console) -> dict`, imported when it is asked for. What it returns
# holds `ratio` and `of`, in words what the ratio is of, and all that was measured.
BENCHMARKS = {
    "inference": "benchmarks.inference",
    "generator": "benchmarks.generator",
    "detection": "benchmarks.detection",
    "loader": "benchmarks.loader",
    "preparation": "benchmarks.preparation",
    "training": "benchmarks.training",
    "sizes": "benchmarks.sizes",
    "recipes": "benchmarks.recipes",
    "evaluation": "benchmarks.evaluation",
    "deviations": "benchmarks.deviations",
    "live": "benchmarks.live",
    "overview": "benchmarks.overview",
    "table": "benchmarks.overview:write_table",
}


def main() -> None:
    """Run `python -m benchmarks`."""
    run(benchmarks, "benchmarks")


def benchmarks(cfg: DictConfig) -> None:
    """Run the benchmark that the config names; the last line of the output is JSON.

    Raises:
        UserError: there is no such benchmark, or it cannot be run.
    """
    if cfg.name not in BENCHMARKS:
        raise UserError(f"name={cfg.name} is no benchmark: use {' or '.join(BENCHMARKS)}.")
    module, _, function = BENCHMARKS[cfg.name].partition(":")
    measured = getattr(import_module(module), function or "measure")(cfg, Console(highlight=False))
    print(json.dumps({"name": cfg.name, **measured}), flush=True)
