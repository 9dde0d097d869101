"""`report.html` in a sweep's folder: a row and a curve for each job, anew whenever one ends."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from w2l.errors import UserError
from w2l.files import write_text
from w2l.lock import only_writer

JOB = "job.json"  # in each job's folder
PAGE = "report.html"


class SweepPage(Callback):
    """Hydra's callback: writes down how a job ended, and the sweep's page."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        folder = Path(config.hydra.sweep.dir)
        done = job_return.status == JobStatus.COMPLETED
        job = {
            "number": config.hydra.job.num,
            "values": dict(each.lstrip("+~").partition("=")[::2]
                           for each in config.hydra.overrides.task),
            "value": job_return.return_value if done else None,
            "error": None if done else str(job_return._return_value),
        }  # fmt: skip
        try:
            write_text(folder / config.hydra.sweep.subdir / JOB, json.dumps(job, indent=1) + "\n")
            # One at a time: the last one that ends sees all the others.
            with only_writer(folder / PAGE, lambda: None):
                write_text(folder / PAGE, sweep_document(folder))
        except Exception as error:  # of whatever kind: a page is not worth a sweep
            reason = str(error) if isinstance(error, UserError) else repr(error)
            print(f"warning: {folder / PAGE} was not written: {reason}", flush=True)
        else:
            print(f"sweep: {folder / PAGE}", flush=True)


def sweep_document(folder: Path) -> str:
    """The page of the jobs that have ended in a sweep's folder, the best first."""
    from markupsafe import Markup

    from w2l.chart import Series, line_chart
    from w2l.html import page, render

    jobs = read_jobs(folder)
    monitor = next((job["monitor"] for job in jobs if job["monitor"]), "")
    curves = [(job, validation_curve(folder / job["folder"], monitor)) for job in jobs]
    series = [Series(f"job {job['number']}", points, dotted=True) for job, points in curves]
    shown = [each for each in series if each.points]
    body = render(
        "sweep.html",
        jobs=jobs,
        keys=swept(jobs),
        watched=list(dict.fromkeys(name for job in jobs for name in job["last"])),
        monitor=monitor,
        failed=[job for job in jobs if job["error"]],
        lines=[each.name for each in shown],
        chart=Markup(line_chart(shown)),
    )
    return page(f"Sweep {folder.name}", [body])


def read_jobs(folder: Path) -> list[dict[str, Any]]:
    """What is known of each job that has ended: how, with which values, and how good it was."""
    jobs = []
    for path in folder.glob(f"*/{JOB}"):
        job = json.loads(path.read_text(encoding="utf-8"))
        beside = path.with_name("summary.json")  # none where it failed before it began
        run = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        watched: dict[str, dict[str, Any]] = {x["name"]: x for x in run.get("watched", ())}
        monitored = watched.get(run.get("monitor", ""), {})
        jobs.append(
            job
            | {
                "folder": path.parent.name,
                "state": "failed" if job["error"] else run.get("state", "finished"),
                "monitor": run.get("monitor"),
                "mode": run.get("monitor_mode", "min"),
                "best": job["value"] if monitored.get("best") is None else monitored["best"],
                "best_update": monitored.get("best_update"),
                "last": {n: x["last"] for n, x in watched.items() if n.startswith("val/")},
                "updates": run.get("update"),
                "seconds": run.get("seconds_now"),
                "has_page": path.with_name("report.html").is_file(),
            }
        )
    return sorted(jobs, key=_rank)


def _rank(job: dict[str, Any]) -> tuple[float, int]:
    sign = -1 if job["mode"] == "max" else 1
    return (math.inf if job["best"] is None else sign * job["best"]), job["number"]


def swept(jobs: Sequence[dict[str, Any]]) -> list[str]:
    """The keys whose values differ between jobs; all of them where there is one job."""
    keys = dict.fromkeys(key for job in jobs for key in job["values"])
    return [key for key in keys if len({job["values"].get(key) for job in jobs}) > 1]


def validation_curve(folder: Path, monitor: str) -> list[tuple[float, float]]:
    """(update, value) of the monitored value in one job's folder."""
    from w2l.callbacks.run_document import read_curves

    stage, _, name = monitor.partition("/")
    return read_curves(folder).get(name, {}).get(stage, [])
