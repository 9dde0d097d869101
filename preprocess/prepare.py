"""A source becomes a set: list, leave out what is done, prepare the rest, write the lists."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

from preprocess.cuts import Cutter, cut_videos, parts_of
from preprocess.download import check_downloader
from preprocess.duplicates import same_files
from preprocess.lists import Result, write_lists
from preprocess.records import Records
from preprocess.rejection import CRASHED, UNEXPECTED, RejectedError
from preprocess.report import Report, by_reason, summary
from preprocess.settings import Job, Recipe
from preprocess.sources import Clip, list_clips
from preprocess.times import Times
from preprocess.worker import Stop, Worker
from w2l.engine import Executor, Outcome, build_executor
from w2l.errors import UserError
from w2l.lock import only_writer


def prepare(job: Job, recipe: Recipe, report: Report) -> Result:
    """Prepare a source into `job.out`, or what an earlier run left undone.

    Raises:
        UserError: nothing to prepare, nothing usable, or the output cannot be written.
    """
    started = time.monotonic()
    if not 0 <= job.shard < job.num_shards:
        raise UserError(
            f"shard={job.shard} does not exist: num_shards={job.num_shards} are numbered from 0."
        )
    executor = build_executor(job.engine, workers=job.workers, ray=job.ray)
    records = Records(job.out, recipe)
    records.make_root()
    listing = list_clips(job, report.say)
    for note in listing.notes:
        report.warn(note)
    copies = {} if job.duplicates == "none" else same_files(listing.clips)
    files = [clip for clip in listing.clips if clip.key not in copies]
    mine = files[job.shard :: job.num_shards]
    lock = job.out / f"shard-{job.shard}-of-{job.num_shards}"
    with only_writer(lock, lambda: report.say("another run prepares these clips: waiting for it")):
        if job.cut is not None:
            cutter = Cutter(job.out, job.cut)
            cut_videos(mine, cutter, job, report)
            left_out = [clip for clip in listing.clips if clip.key in copies]
            listing = replace(listing, clips=parts_of(files, cutter) + left_out)
            mine = parts_of(mine, cutter)
        prepared = _prepare_missing(mine, records, executor, job, report)
        near = job.duplicates == "near"
        result = write_lists(listing, records, prepared=prepared, duplicates=copies, near=near)
    for note in result.notes:
        report.warn(note)
    lines = list(summary(result, time.monotonic() - started, job.out))
    for line in lines:
        report.say(line)
    if job.page and not result.pending:
        from preprocess.page import write_page  # loads OpenCV and matplotlib

        report.say(f"{write_page(result, listing.clips, job.out, lines[:-1])}")
    if not result.accepted and not result.pending:
        raise UserError(
            f"None of the clips can be used ({by_reason(result.rejected)}): "
            f"{job.out / 'rejected.jsonl'} says why."
        )
    return result


def _prepare_missing(
    clips: list[Clip], records: Records, executor: Executor, job: Job, report: Report
) -> int:
    """Prepare those of `clips` that are neither finished nor rejected; returns how many."""
    records.clean(clips)
    todo = [
        clip
        for clip in clips
        if not records.finished(clip) and (job.retry_rejected or not records.rejected(clip))
    ]
    check_downloader(todo)
    if len(todo) < len(clips):
        report.say(f"{len(clips) - len(todo)} of {len(clips)} clips were done before")
    worker = Worker(records.root, records.recipe, job.device, job.batch_size)
    with closing(executor.map(worker, todo, initializer=worker.start)) as outcomes:
        times = _write_down(report.progress(outcomes, len(todo)), records)
    if times:
        report.say(f"time of the workers: {times}")
    return len(todo)


def _write_down(outcomes: Iterable[Outcome], records: Records) -> Times:
    """Record what became of each clip, as soon as it is known; returns where the time went.

    Raises:
        UserError: the run cannot go on.
    """
    times = Times()
    for outcome in outcomes:
        clip = outcome.item
        value = None if outcome.value is None else outcome.value.result
        times.update({} if outcome.value is None else outcome.value.times)
        if isinstance(value, Stop):
            raise UserError(value.message)
        if isinstance(value, RejectedError):
            records.reject(clip, value.step, value.reason, value.detail)
        elif outcome.error is not None:
            reason = CRASHED if outcome.crashed else UNEXPECTED
            records.reject(clip, "worker", reason, outcome.error, outcome.trace)
        else:
            records.forgive(clip)
    return times
