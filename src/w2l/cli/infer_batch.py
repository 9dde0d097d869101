"""Runs the jobs of `batch=`: finished ones are not done again, and no failure stops the others."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from w2l.cli.infer_jobs import Job, fingerprint, read_jobs, real, target, writing_to
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.files import atomic_path, check_writable
from w2l.inference import SyncReport
from w2l.jobs import Devices, Runner
from w2l.jobs import Outcome as Found
from w2l.paths import user_path

ANY_NAME = "surrogateescape"  # a file's name that is no UTF-8 is written as the bytes that it is


@dataclass
class Outcome:
    """What became of one job: a line of the status file.

    Attributes:
        job: its number in the list.
        face, audio: paths or addresses.
        outfile: path of the result; none of a preview and of a list of tracks.
        status: waiting, done, or failed.
        seconds: that it took.
        frames, untouched: of the result.
        reason: why it failed.
        fingerprint: of its keys and of the files that it read.
        size: of the outfile in bytes; 0 for a folder.
    """

    job: int
    face: str
    audio: str
    outfile: str = ""
    status: str = "waiting"
    seconds: float = 0.0
    frames: int = 0
    untouched: int = 0
    reason: str = ""
    fingerprint: str = ""
    size: int = 0


@dataclass(frozen=True)
class Done:
    """What a job came to: a report (None of a preview), or the reason why there is none."""

    report: SyncReport | None
    reason: str
    seconds: float


def run_batch(
    settings: Infer,
    given: set[str],
    make: Callable[[Devices], Callable[[Job], Done]],
    console: Console,
) -> None:
    """Do every job that is not done yet, keep their status in a file, and print a summary.

    Args:
        settings: of the command line.
        given: keys that were set there.
        make: gives the worker, which does a job; see `w2l.jobs.Runner.run`.
        console: where the jobs and the summary are printed.

    Raises:
        UserError: the list cannot be used, or a job failed.
    """
    runner = Runner(**settings.runner(settings.device))
    every = read_jobs(settings, given)
    jobs = [replace(job, total=len(every)) for job in runner.share(every)]
    status = status_file(user_path(settings.batch), runner)
    check_writable(status)
    before = {each.fingerprint: each for each in read_status(status) if is_there(each)}
    outcomes = {job.number: known(job, before) for job in jobs}
    todo, n_skipped, targets = [], 0, dict[Path, int]()
    for job in jobs:
        outcome = outcomes[job.number]
        path = None if job.problem else target(job.settings, targets)
        first = job.number if path is None else targets.setdefault(path, job.number)
        if outcome.status == "done" and first == job.number:
            n_skipped += 1
            console.print(f"{job.name}: done before", markup=False)
            targets.setdefault(real(Path(outcome.outfile)), job.number)
            continue
        if first != job.number:
            problem = f"job {first} writes the same file: give each its own outfile."
            job = replace(job, problem=problem)
        elif path is not None and job.settings.outfile is None:
            # A new name, which no other job takes, whoever is quicker.
            job = replace(job, settings=writing_to(job.settings, path))
        todo.append(job)
    with closing(runner.run(make, todo)) as found:
        for each in found:
            note(outcomes[each.item.number], each)
            if settings.engine != "serial":  # else the job said so itself
                reason = outcomes[each.item.number].reason
                console.print(f"{each.item.name}: {reason or 'done'}", markup=False)
            write_status(status, list(outcomes.values()))
    write_status(status, list(outcomes.values()))
    summarise(list(outcomes.values()), n_skipped, status, console)


def known(job: Job, before: Mapping[str, Outcome]) -> Outcome:
    """What is known of a job before it is done: all of it, where an earlier run did it."""
    mark = fingerprint(job.settings)
    if mark in before and not job.problem:
        return replace(before[mark], job=job.number)
    return Outcome(job.number, str(job.face), str(job.audio), fingerprint=mark)


def do(job: Job, run: Callable[[], SyncReport | None]) -> Done:
    """Do one job; bad input, and whatever else it raises, is the reason why there is no result."""
    start, report, reason = time.monotonic(), None, ""
    try:
        if job.problem is not None:
            raise UserError(job.problem)
        report = run()
    except UserError as error:
        reason = str(error)
    except Exception as error:  # of whatever kind: the other jobs are not to blame
        first_line = str(error).strip().partition("\n")[0]
        reason = f"{type(error).__name__}: {first_line}"
    return Done(report, reason, round(time.monotonic() - start, 1))


def note(outcome: Outcome, found: Found) -> None:
    """Note in `outcome` what became of a job."""
    done: Done = found.value if found.ok else Done(None, str(found.error), 0.0)
    outcome.status, outcome.reason = "failed" if done.reason else "done", done.reason
    outcome.seconds = done.seconds
    if done.report is not None:
        outcome.outfile = str(done.report.outfile)
        outcome.size = size_of(done.report.outfile)
        outcome.frames, outcome.untouched = done.report.n_frames, done.report.n_untouched


def is_there(outcome: Outcome) -> bool:
    """Whether a job is done, and its result still what it wrote."""
    path = Path(outcome.outfile)
    is_known = outcome.status == "done" and bool(outcome.outfile)
    return is_known and path.exists() and size_of(path) == outcome.size


def size_of(path: Path) -> int:
    """Bytes of a file; 0 for a folder."""
    return 0 if path.is_dir() else path.stat().st_size


def status_file(batch: Path, runner: Runner) -> Path:
    """`<list>.status.csv` beside a list, `status.csv` in a folder; each share has its own."""
    share = f".{runner.shard}-of-{runner.num_shards}" if runner.num_shards > 1 else ""
    if batch.is_dir():
        return batch / f"status{share}.csv"
    return batch.with_name(f"{batch.stem}.status{share}.csv")


def read_status(path: Path) -> list[Outcome]:
    """What an earlier run noted; nothing where there was none, or it is not ours."""
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8", errors=ANY_NAME) as file:
            return [
                Outcome(**{f.name: _typed(f.type, row[f.name]) for f in fields(Outcome)})
                for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError, csv.Error):
        return []


def _typed(kind: object, text: str) -> Any:
    return {"int": int, "float": float}.get(str(kind), str)(text)


def write_status(path: Path, outcomes: list[Outcome]) -> None:
    """Write the status of all jobs; whole or not at all."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors=ANY_NAME) as file,
    ):
        writer = csv.DictWriter(file, [f.name for f in fields(Outcome)])
        writer.writeheader()
        writer.writerows(asdict(outcome) for outcome in outcomes)


def summarise(outcomes: list[Outcome], n_skipped: int, status: Path, console: Console) -> None:
    """Print what became of the jobs.

    Raises:
        UserError: some failed.
    """
    table = Table(box=None)
    for column in ("job", "face", "audio", "status", "frames", "left alone", "result or reason"):
        table.add_column(column, overflow="fold")
    for each in outcomes:
        names = (Path(each.face).name, Path(each.audio).name)
        counts = (str(each.frames), str(each.untouched))
        table.add_row(str(each.job), *names, each.status, *counts, each.reason or each.outfile)
    console.print(table, markup=False)
    total = Counter(each.status for each in outcomes)
    console.print(
        f"{len(outcomes)} jobs: {total['done'] - n_skipped} done, {n_skipped} done before, "
        f"{total['failed']} failed; {status}",
        markup=False,
    )
    if total["failed"]:
        raise UserError(f"{total['failed']} of {len(outcomes)} jobs failed: {status} says why.")
