"""A source becomes a set: list, leave out what is done, prepare the rest, write the lists."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from operator import attrgetter

from preprocess.cuts import Cutter, check_folders, cut_videos, parts_of
from preprocess.download import check_downloader
from preprocess.duplicates import same_files
from preprocess.lists import Result, write_lists
from preprocess.others import with_others
from preprocess.records import Records
from preprocess.rejection import CRASHED, UNEXPECTED, RejectedError
from preprocess.report import Report, by_reason, summary
from preprocess.settings import Job, Recipe
from preprocess.sources import Clip, list_clips
from preprocess.times import Times
from preprocess.worker import Stop, Worker
from w2l.errors import UserError
from w2l.jobs import Executor, Outcome, build_executor
from w2l.jobs.devices import WORKERS_PER_GPU, gpu_count, new_slots
from w2l.jobs.outcome import available_cores
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
    n_gpus = gpu_count(job.device) if job.engine == "process" else 0
    workers = job.workers or (min(available_cores(), WORKERS_PER_GPU * n_gpus) or None)
    executor = build_executor(job.engine, workers=workers, ray=job.ray)
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
        left_out = [clip for clip in listing.clips if clip.key in copies]
        if job.cut is not None:
            cutter = Cutter(job.out, job.cut)
            cut_videos(mine, cutter, job, report)
            files, mine = parts_of(files, cutter), parts_of(mine, cutter)
            check_folders(files)
        prepared = _prepare_missing(mine, records, executor, job, report)
        if job.cut is not None:
            listing = replace(listing, clips=with_others(files, records) + left_out)
            check_folders(listing.clips)
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
    """Prepare those of `clips` that are neither finished nor rejected; returns how many.

    Where videos are cut, those of the others who are seen in them too.
    """

    def missing(clips: Iterable[Clip]) -> list[Clip]:
        return [
            clip
            for clip in clips
            if not records.finished(clip) and (job.retry_rejected or not records.rejected(clip))
        ]

    known = clips if job.cut is None else with_others(clips, records)
    records.clean(known)
    todo = missing(known)
    check_downloader(todo)
    if len(todo) < len(known):
        report.say(f"{len(known) - len(todo)} of {len(known)} clips were done before")
    times = _run(todo, records, executor, job, report)
    if todo and job.cut is not None:
        found = missing(
            sorted(set(with_others(clips, records)) - set(known), key=attrgetter("key"))
        )
        if found:
            report.say(f"{len(found)} more, of people who come before or after the one of a clip")
            times.update(_run(found, records, executor, job, report))
            todo += found
    if times:
        report.say(f"time of the workers: {times}")
    return len(todo)


def _run(
    clips: list[Clip], records: Records, executor: Executor, job: Job, report: Report
) -> Times:
    """Prepare clips and write down what became of them."""
    n_gpus = gpu_count(job.device) if job.engine == "process" else 0
    with ExitStack() as stack:
        slots = stack.enter_context(new_slots()) if n_gpus > 1 else None
        worker = Worker(records.root, records.recipe, job.device, job.batch_size, slots, n_gpus)
        mapped = executor.map(worker, clips, initializer=worker.start)
        outcomes = stack.enter_context(closing(mapped))
        times, choices = _write_down(report.progress(outcomes, len(clips)), records)
    for choice, n in choices.items():
        report.say(f"{n} of {len(clips)} clips are of videos that {choice}")
    return times


def _write_down(outcomes: Iterable[Outcome], records: Records) -> tuple[Times, Counter[str]]:
    """Record what became of each clip, as soon as it is known.

    Returns:
        Where the time went, and what was chosen or made of how many.

    Raises:
        UserError: the run cannot go on.
    """
    times, choices = Times(), Counter[str]()
    for outcome in outcomes:
        clip = outcome.item
        value = None if outcome.value is None else outcome.value.result
        if outcome.value is not None:
            times.update(outcome.value.times)
            choices.update(outcome.value.choices)
        if isinstance(value, Stop):
            raise UserError(value.message)
        if isinstance(value, RejectedError):
            records.reject(clip, value.step, value.reason, value.detail, others=value.others)
        elif outcome.error is not None:
            reason = CRASHED if outcome.crashed else UNEXPECTED
            records.reject(clip, "worker", reason, outcome.error, trace=outcome.trace)
        else:
            records.forgive(clip)
    return times, choices
