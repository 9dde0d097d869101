"""A run's folder: it holds one run, one process writes to it, none in it is overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl

from w2l.checkpoints import archive
from w2l.checkpoints.states import check_whole, newest_state
from w2l.errors import UserError
from w2l.lock import only_process
from w2l.paths import user_path

# All that a training leaves in its folder, but for its lock and train.log, which every run goes on
# with. What has another name there is somebody else's.
WRITTEN = (
    "checkpoints", "config.yaml", "csv", "environment.json", "job.json", "report.html", "samples",
    "stalled.txt", "summary.json", "tensorboard", "uncommitted.diff", "validation", "wandb",
)  # fmt: skip


def find_state(resume: str | None, run_dir: Path, warn: Callable[[str], None]) -> Path | None:
    """The checkpoint that `resume` means.

    Args:
        resume: null, a file, a run's folder (its newest readable checkpoint), or "auto" (that of
            `run_dir`, and a new start where there is none). `last.ckpt` is the newest one too, so
            where that file is damaged the one before is taken.
        run_dir: of this run.
        warn: gets a sentence for each damaged checkpoint that is passed over.

    Raises:
        UserError: no such file, nothing to go on from, or nothing that can be read.
    """
    if resume is None:
        return None
    if resume == "auto":
        return newest_state(run_dir, warn)
    path = user_path(resume)
    if path.is_dir():
        found = newest_state(path, warn)
        if found is None:
            raise UserError(f"resume={resume}: there is no checkpoint in this folder.")
        return found
    if not path.is_file():
        raise UserError(f"resume={resume}: there is no such file.")
    try:
        check_whole(path)
    except UserError:
        if path.name != "last.ckpt":
            raise
        return newest_state(path.parent, warn)
    return path


def check_state(checkpoint: Path, system: pl.LightningModule) -> None:
    """Refuse to go on from a file that is no state of this training.

    Raises:
        UserError: it is damaged, no training checkpoint, or of other networks.
    """
    content = archive.load(checkpoint)
    if not {"state_dict", "optimizer_states"} <= content.keys():
        raise UserError(
            f"resume={checkpoint} holds a network but no state of a training: "
            "name a file from the checkpoints folder of a run."
        )
    saved = {name: value.shape for name, value in content["state_dict"].items()}
    own = {name: value.shape for name, value in system.state_dict().items()}
    trained = {name for name, value in system.named_parameters() if value.requires_grad}
    if not (saved.items() <= own.items() and trained <= saved.keys()):
        raise UserError(
            f"resume={checkpoint} was written by another experiment or with other model settings: "
            "repeat those of its run (config.yaml in its folder)."
        )


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
