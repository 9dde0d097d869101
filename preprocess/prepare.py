"""A source becomes a set: list, leave out what is done, prepare the rest, write the lists."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
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
from preprocess.times import Times
from preprocess.worker import Worker
from w2l.components import Clip
from w2l.errors import UserError
from w2l.jobs import Outcome

WORKERS_PER_GPU = 8  # each has some 0.6 GB of it for CUDA alone


def prepare(job: Job, recipe: Recipe, report: Report) -> Result:
    """Prepare a source into `job.out`, or what an earlier run left undone.

    Raises:
        UserError: nothing to prepare, nothing usable, or the output cannot be written.
    """
    started = time.monotonic()
    records = Records(job.out, recipe)
    records.make_root()
    listing = job.source.listing(report.say)
    for note in listing.notes:
        report.warn(note)
    copies = {} if job.duplicates == "none" else same_files(listing.clips)
    files = [clip for clip in listing.clips if clip.key not in copies]
    mine = job.share(files)
    waiting = partial(report.say, "another run prepares these clips: waiting for it")
    with job.only(job.out, "shard", waiting):
        left_out = [clip for clip in listing.clips if clip.key in copies]
        if job.cut is not None:
            cutter = Cutter(job.out, job.cut)
            cut_videos(mine, cutter, job, report)
            files, mine = parts_of(files, cutter), parts_of(mine, cutter)
            check_folders(files)
        prepared = _prepare_missing(mine, records, job, report)
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


def _prepare_missing(clips: Sequence[Clip], records: Records, job: Job, report: Report) -> int:
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
    times = _run(todo, records, job, report)
    if todo and job.cut is not None:
        found = missing(
            sorted(set(with_others(clips, records)) - set(known), key=attrgetter("key"))
        )
        if found:
            report.say(f"{len(found)} more, of people who come before or after the one of a clip")
            times.update(_run(found, records, job, report))
            todo += found
    if times:
        report.say(f"time of the workers: {times}")
    return len(todo)


def _run(clips: list[Clip], records: Records, job: Job, report: Report) -> Times:
    """Prepare clips and write down what became of them."""
    worker = partial(Worker, records.root, records.recipe, job.batch_size)
    done = job.run(
        worker, clips, console=report.console, doing="preparing", what="clips",
        per_gpu=WORKERS_PER_GPU,
    )  # fmt: skip
    with closing(done) as outcomes:
        times, choices = _write_down(outcomes, records)
    for choice, n in choices.items():
        report.say(f"{n} of {len(clips)} clips are of videos that {choice}")
    return times


def _write_down(outcomes: Iterable[Outcome], records: Records) -> tuple[Times, Counter[str]]:
    """Record what became of each clip, as soon as it is known.

    Returns:
        Where the time went, and what was chosen or made of how many.
    """
    times, choices = Times(), Counter[str]()
    for outcome in outcomes:
        clip = outcome.item
        value = None if outcome.value is None else outcome.value.result
        if outcome.value is not None:
            times.update(outcome.value.times)
            choices.update(outcome.value.choices)
        if isinstance(value, RejectedError):
            records.reject(clip, value.step, value.reason, value.detail, others=value.others)
        elif outcome.error is not None:
            reason = CRASHED if outcome.crashed else UNEXPECTED
            records.reject(clip, "worker", reason, outcome.error, trace=outcome.trace)
        else:
            records.forgive(clip)
    return times, choices
