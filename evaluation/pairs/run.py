"""All pairs of a benchmark, those excepted that an earlier run did."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing

from rich.console import Console

from evaluation.pairs.failure import CRASHED, UNEXPECTED
from evaluation.pairs.records import Record, Records
from evaluation.pairs.settings import Job, Recipe
from evaluation.pairs.tasks import Task
from evaluation.pairs.worker import PairWorker, Stop
from w2l.errors import UserError
from w2l.files import check_writable
from w2l.jobs import Outcome, build_executor
from w2l.jobs.devices import gpu_count, new_slots
from w2l.lock import only_writer
from w2l.progress import counted


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
    if not 0 <= job.shard < job.num_shards:
        raise UserError(
            f"shard={job.shard} does not exist: num_shards={job.num_shards} are numbered from 0."
        )
    records = Records(job.out, recipe)
    mine = tasks[job.shard :: job.num_shards]
    check_writable(job.out / "pairs", folder=True)
    job.out.mkdir(parents=True, exist_ok=True)
    lock = job.out / f"shard-{job.shard}-of-{job.num_shards}"

    def waiting() -> None:
        console.print("another run does these pairs: waiting for it")

    with only_writer(lock, waiting):
        records.clean(mine)
        todo = [task for task in mine if not _is_done(records.finished(task), job)]
        if len(todo) < len(mine):
            console.print(f"{len(mine) - len(todo)} of {len(mine)} pairs were done before")
        with closing(_outcomes(todo, recipe, job)) as outcomes:
            shown = Console(stderr=True)
            for outcome in counted(outcomes, len(todo), shown, "making and scoring", "pairs"):
                _write_down(outcome, records)
    return [record for task in tasks if (record := records.finished(task)) is not None]


def _is_done(record: Record | None, job: Job) -> bool:
    return record is not None and not (job.retry_failed and record["error"] is not None)


def _outcomes(todo: Sequence[Task], recipe: Recipe, job: Job) -> Generator[Outcome, None, None]:
    if not todo:
        return
    n_gpus = gpu_count(job.device) if job.engine == "process" else 0
    executor = build_executor(job.engine, workers=job.workers or n_gpus or None, ray=job.ray)
    with ExitStack() as stack:
        slots = stack.enter_context(new_slots()) if n_gpus > 1 else None
        worker = PairWorker(job.out, recipe, job.device, slots, n_gpus, job.keep_videos)
        yield from stack.enter_context(
            closing(executor.map(worker, todo, initializer=worker.start))
        )


def _write_down(outcome: Outcome, records: Records) -> None:
    """Workers write their own records; those of a worker that could not are written here.

    Raises:
        UserError: the run cannot go on.
    """
    if isinstance(outcome.value, Stop):
        raise UserError(outcome.value.message)
    if outcome.error is not None:
        reason = CRASHED if outcome.crashed else UNEXPECTED
        records.fail(outcome.item, reason, outcome.error)
