"""Runs the project's commands as a user does, each in a process and a folder of its own.

The processes are forked from a server that has imported torch and Lightning once: a command starts
in a tenth of a second where a new interpreter takes four.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from multiprocessing.context import ForkServerContext
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What commands import, but for the project itself: a broken line of it must not break the server.
IMPORTED_ONCE = [
    "torch", "torch.utils.tensorboard", "pytorch_lightning", "wandb", "hydra.main", "cv2", "av",
    "scipy.signal", "pyarrow.parquet", "torchmetrics", "skimage.metrics", "scenedetect",
]  # fmt: skip


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


class Running:
    """A command that runs; its standard output and error grow in two files.

    Args:
        command: `train.py`, or `-m preprocess`.
        values: its arguments.
        cwd: the folder in which it runs.
        extra: environment variables beside those of `environment`.
        own_group: whether it leads a process group of its own, which can be signalled whole.
    """

    def __init__(
        self,
        command: str,
        *values: str,
        cwd: Path,
        extra: dict[str, str] | None = None,
        own_group: bool = False,
    ) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as out, tempfile.NamedTemporaryFile(
            delete=False
        ) as error:  # fmt: skip
            self._out, self._error = Path(out.name), Path(error.name)
        given = (command, values, cwd, {**environment(), **(extra or {})}, own_group)
        self._process = forked().Process(target=_run, args=(*given, self._out, self._error))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def stdout(self) -> str:
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        return self._error.read_text()

    def poll(self) -> int | None:
        """The exit code, the negative number of the signal that ended it, or None."""
        return self._process.exitcode

    def wait(self) -> int:
        """Wait for the end; gives the exit code."""
        self._process.join()
        code = self._process.exitcode
        assert code is not None
        return code

    def kill(self) -> None:
        self._process.kill()

    def done(self) -> subprocess.CompletedProcess[str]:
        """Wait for the end; gives what `subprocess.run` would."""
        code = self.wait()
        ended = subprocess.CompletedProcess([], code, self.stdout, self.stderr)
        self._out.unlink()
        self._error.unlink()
        return ended


def forked() -> ForkServerContext:
    """Processes forked from the server, which is started with the first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED_ONCE)
    return context


def _run(
    command: str, values: tuple[str, ...], cwd: Path, environ: dict[str, str], own_group: bool,
    out: Path, error: Path,
) -> None:  # fmt: skip
    """Become the command: in the forked process, what a new interpreter would find."""
    multiprocessing.set_start_method(None, force=True)  # it is the server's, for loading processes
    sys.orig_argv = [sys.executable, *command.split(), *values]
    if own_group:
        os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    for number, path in ((1, out), (2, error)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.path[:0] = environ["PYTHONPATH"].split(os.pathsep)
    try:
        if command.startswith("-m"):
            sys.argv = [command, *values]
            runpy.run_module(command.split()[1], run_name="__main__", alter_sys=True)
        else:
            script = str(ROOT / command)
            sys.argv = [script, *values]
            runpy.run_path(script, run_name="__main__")
    finally:  # as an interpreter ends: threads first, such as those that end their processes
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()


def call(
    command: str, *values: str, cwd: Path, extra: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end; the output is captured."""
    return Running(command, *values, cwd=cwd, extra=extra).done()


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refused command; fails on a traceback or another exit code."""
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return sentence
