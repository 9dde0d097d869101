"""Runs the project's commands as a user does, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """The environment, with this checkout importable, and nobody logged in at W&B."""
    paths = [str(ROOT / "src"), str(ROOT)]
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("WANDB_")},
        "PYTHONPATH": os.pathsep.join(paths),
        "NETRC": "nobody-is-logged-in",
        "WANDB_SILENT": "true",
        "COLUMNS": "200",
        # No weights of the user's, and no network, decide a test.
        "W2L_WEIGHTS_DIR": os.environ.get("W2L_TEST_WEIGHTS_DIR", "no-weights-here"),
    }


def arguments(command: str, *values: str) -> list[str]:
    """`train.py`, or `-m preprocess`, as a command line of this interpreter."""
    script = command.split() if command.startswith("-m") else [str(ROOT / command)]
    return [sys.executable, *script, *values]


def call(command: str, *values: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run to the end; the output is captured."""
    return subprocess.run(
        arguments(command, *values),
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refused command; fails on a traceback or another exit code."""
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return sentence
