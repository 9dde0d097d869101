"""Sources by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from preprocess.settings import Job
from preprocess.sources.clip import Listing
from preprocess.sources.demo import list_demo
from preprocess.sources.folder import list_folder
from preprocess.sources.lrs2 import list_lrs2
from w2l.errors import UserError

LATER = ("csv", "lrs3", "lrw")


def list_clips(job: Job, announce: Callable[[str], None]) -> Listing:
    """The clips of `job.source`; the demo set is rendered first.

    Args:
        job: says which source, and where it lies.
        announce: shows the user a line.

    Raises:
        UserError: there is no such source, or it is not laid out as it should be.
    """
    if job.source == "demo":
        workers = 1 if job.engine == "serial" else job.workers
        return list_demo(job.data_root or job.out / "videos", announce, workers=workers)
    if job.source == "folder":
        return list_folder(_root(job), leave_out=job.out)
    if job.source == "lrs2":
        return list_lrs2(_root(job), filelists=job.filelists)
    if job.source in LATER:
        raise UserError(
            f"source={job.source} is not available in this version: put the videos into one "
            "folder per person and use source=folder."
        )
    raise UserError(f"source={job.source} is unknown: use folder, lrs2, demo or prepared.")


def _root(job: Job) -> Path:
    if job.data_root is None:
        raise UserError(f"source={job.source} needs data_root=FOLDER, where the videos lie.")
    return job.data_root
