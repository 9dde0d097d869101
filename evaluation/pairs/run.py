"""All pairs of a benchmark, those excepted that an earlier run did."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial

from rich.console import Console

from evaluation.pairs.failure import CRASHED, UNEXPECTED
from evaluation.pairs.records import Record, Records
from evaluation.pairs.settings import Job, Recipe
from evaluation.pairs.tasks import Task
from evaluation.pairs.worker import PairWorker
from w2l.files import check_writable
from w2l.jobs import Outcome


def run_pairs(tasks: Sequence[Task], recipe: Recipe, job: Job, console: Console) -> list[Record]:
    """Do what is left of this shard's pairs; the records of all pairs that are done.

    Args:
        tasks: of all sets.
        recipe: what decides the numbers.
        job: where to, and by how many.
        console: for what is going on.

    Returns:
        Records in the order of `tasks`; other shards' pairs may be missing.

    Raises:
        UserError: a value makes no sense, a network cannot be loaded, or nothing can be written.
    """
    records = Records(job.out, recipe)
    mine = job.share(tasks)
    check_writable(job.out / "pairs", folder=True)
    job.out.mkdir(parents=True, exist_ok=True)

    def waiting() -> None:
        console.print("another run does these pairs: waiting for it")

    with job.only(job.out, "shard", waiting):
        records.clean(mine)
        todo = [task for task in mine if not _is_done(records.finished(task), job)]
        if len(todo) < len(mine):
            console.print(f"{len(mine) - len(todo)} of {len(mine)} pairs were done before")
        worker = partial(PairWorker, job.out, recipe, keep_videos=job.keep_videos)
        done = job.run(
            worker, todo, console=Console(stderr=True), doing="making and scoring", what="pairs"
        )
        with closing(done) as outcomes:
            for outcome in outcomes:
                _write_down(outcome, records)
    return [record for task in tasks if (record := records.finished(task)) is not None]


def _is_done(record: Record | None, job: Job) -> bool:
    return record is not None and not (job.retry_failed and record["error"] is not None)


def _write_down(outcome: Outcome, records: Records) -> None:
    """Workers write their own records; those of a worker that could not are written here."""
    if outcome.error is not None:
        reason = CRASHED if outcome.crashed else UNEXPECTED
        records.fail(outcome.item, reason, outcome.error)
