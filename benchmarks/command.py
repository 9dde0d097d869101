"""The command: a name becomes a module, its measurement the last line of the output."""

from __future__ import annotations

import json
from importlib import import_module

from rich.console import Console

from benchmarks.keys import Benchmarks
from w2l.cli.hydra_app import run


def main() -> None:
    """Run `python -m benchmarks`."""
    run(benchmarks, Benchmarks)


def benchmarks(cfg: Benchmarks) -> None:
    """Run the benchmark that the keys name; the last line of the output is JSON.

    Each is a module with `measure(cfg, console) -> dict`: `ratio`, `of`, in words what the ratio is
    of, and all that was measured.

    Raises:
        UserError: it cannot be run.
    """
    module, function = ("overview", "write_table") if cfg.name == "table" else (cfg.name, "measure")
    measured = getattr(import_module(f"benchmarks.{module}"), function)(
        cfg, Console(highlight=False)
    )
    print(json.dumps({"name": cfg.name, **measured}), flush=True)
