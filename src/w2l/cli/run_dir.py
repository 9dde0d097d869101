"""A run's folder: it holds one run, one process writes to it, and no run in it is overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from w2l.errors import UserError
from w2l.lock import only_process

# All that a training leaves in its folder, but for its lock and train.log, which every run goes on
# with. What has another name there is somebody else's.
WRITTEN = (
    "checkpoints", "config.yaml", "csv", "environment.json", "samples", "stalled.txt",
    "tensorboard", "uncommitted.diff", "validation", "wandb",
)  # fmt: skip


def holds_run(run_dir: Path) -> bool:
    """Whether something was learned there, or at least logged."""
    curves = run_dir / "csv" / "metrics.csv"
    return curves.is_file() or next((run_dir / "checkpoints").glob("*.ckpt"), None) is not None


def check_free(run_dir: Path, resume: Path | None, asked: str | None, *, overwrite: bool) -> None:
    """Refuse to start a run where another one is.

    Args:
        run_dir: of the new run.
        resume: the checkpoint that it goes on from; None: it starts anew.
        asked: what `resume=` says.
        overwrite: the run that is there may go.

    Raises:
        UserError: naming the keys that decide.
    """
    inside = resume is not None and run_dir.resolve() in resume.resolve().parents
    if overwrite and (asked == "auto" or inside):
        raise UserError(
            f"overwrite=true removes the run in {run_dir}, and resume={asked} goes on with it: "
            "leave out one of them."
        )
    # A run of resume=auto that was killed before its first checkpoint starts anew.
    if overwrite or inside or asked == "auto" or not holds_run(run_dir):
        return
    other = "resume=auto goes on with it" if resume is None else f"{resume} is of another"
    raise UserError(
        f"run_dir={run_dir} holds a run: {other}, overwrite=true removes it, another run_dir "
        "keeps it."
    )


@contextmanager
def claimed(run_dir: Path) -> Iterator[None]:
    """Keep other trainings out of the folder.

    Raises:
        UserError: one is at work there.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with only_process(
        run_dir / "train",
        f"run_dir={run_dir}: another training is writing there. Wait until it has ended, or name "
        "another run_dir.",
    ):
        yield


def remove_run(run_dir: Path) -> None:
    """Remove what a training has written there, and nothing else."""
    for name in WRITTEN:
        path = run_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
