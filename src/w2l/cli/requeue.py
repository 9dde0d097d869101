"""How a run leaves that was ended by a signal: its exit code, and back into the queue."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import NoReturn

from w2l.callbacks import Stopped, StopSignals
from w2l.callbacks.stop_signals import REQUEUE


def leave(
    stopped: Stopped, signals: StopSignals, *, speaks: bool, is_child: bool = False
) -> NoReturn:
    """Say what is kept, requeue where Slurm wants the run to make room, and end the process.

    Args:
        stopped: what ended the run.
        signals: what was heard before; a handler of somebody else (submitit's, which requeues) is
            called now that the checkpoint is there.
        speaks: whether this is the first process, which speaks and requeues.
        is_child: whether Lightning started this process beside the first. It exits with 0, for
            Lightning kills the first where another fails.

    Raises:
        KeyboardInterrupt: for SIGINT, in the first process.
        SystemExit: else, with 128 + signal; what started the process must not take it for done.
    """
    if speaks:
        kept = f"checkpoint: {stopped.checkpoint}" if stopped.checkpoint else "nothing new is kept"
        print(f"stopped by {stopped.signal.name}; {kept}", file=sys.stderr, flush=True)
    earlier = signals.earlier(stopped.signal)
    if stopped.signal in REQUEUE and earlier is not None:
        earlier(stopped.signal, None)
    elif speaks and wants_requeue(stopped.signal, os.environ):
        requeue(job_id(os.environ))
    if speaks and stopped.signal == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(0 if is_child else 128 + stopped.signal)


def job_id(environment: Mapping[str, str]) -> str | None:
    """The Slurm job's id, an array's as `array_task`; None outside Slurm."""
    if "SLURM_ARRAY_JOB_ID" in environment:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment.get("SLURM_JOB_ID")


def wants_requeue(number: signal.Signals, environment: Mapping[str, str]) -> bool:
    """Whether the signal means that Slurm needs the place, and the job is to run again.

    SIGUSR1 does (`#SBATCH --signal=USR1@90`, ahead of a time limit). SIGTERM comes with pre-emption
    as well as with `scancel`, so Slurm is asked which it was.
    """
    job = job_id(environment)
    if job is None or number == signal.SIGINT:
        return False
    return number in REQUEUE or was_preempted(job)


def was_preempted(job: str) -> bool:
    """Whether Slurm has set a time of pre-emption for the job."""
    told = _scontrol("show", "job", job)
    found = re.search(r"\bPreemptTime=(\S+)", told.stdout) if told else None
    return found is not None and found[1] not in {"None", "N/A", "Unknown"}


def requeue(job: str | None) -> None:
    """Put the job back into the queue, or say that it could not be."""
    told = _scontrol("requeue", str(job))
    if told is not None and told.returncode == 0:
        print(f"Slurm job {job} is in the queue again", file=sys.stderr, flush=True)
        return
    why = told.stderr.strip() if told is not None else "there is no scontrol"
    print(
        f"warning: Slurm job {job} could not be requeued ({why}): "
        "submit it again; resume=auto goes on.",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def _scontrol(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(["scontrol", *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
