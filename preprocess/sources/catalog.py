"""Sources by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from preprocess.settings import Job
from preprocess.sources.clip import Listing
from preprocess.sources.csv_file import list_csv
from preprocess.sources.demo import list_demo
from preprocess.sources.folder import list_folder
from preprocess.sources.grid import list_grid
from preprocess.sources.lrs2 import list_lrs2
from preprocess.sources.lrs3 import list_lrs3
from preprocess.sources.lrw import list_lrw
from w2l.errors import UserError


def list_clips(job: Job, announce: Callable[[str], None]) -> Listing:
    """The clips of `job.source`; the demo set is rendered first.

    Args:
        job: says which source, and where it lies.
        announce: shows the user a line.

    Raises:
        UserError: there is no such source, or it is not laid out as it should be.
    """
    if job.pretrain and job.source != "lrs3":
        raise UserError(f"pretrain=true is for source=lrs3: source={job.source} has no such part.")
    if job.source == "demo":
        workers = 1 if job.engine == "serial" else job.workers
        return list_demo(job.data_root or job.out / "videos", announce, workers=workers)
    if job.source == "folder":
        return list_folder(_root(job), leave_out=job.out)
    if job.source == "lrs2":
        return list_lrs2(_root(job), filelists=job.filelists)
    if job.source == "lrs3":
        return list_lrs3(_root(job), pretrain=job.pretrain)
    if job.source == "lrw":
        return list_lrw(_root(job))
    if job.source == "grid":
        return list_grid(_root(job), unpacked=job.out / "videos", announce=announce)
    if job.source == "csv":
        return list_csv(_root(job, "FILE.csv, a row per clip"), downloads=job.out / "downloads")
    raise UserError(
        f"source={job.source} is unknown: use folder, csv, lrs2, lrs3, lrw, grid, demo or prepared."
    )


def _root(job: Job, what: str = "FOLDER, where the videos lie") -> Path:
    if job.data_root is None:
        raise UserError(f"source={job.source} needs data_root={what}.")
    return job.data_root
