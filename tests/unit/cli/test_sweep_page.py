"""A sweep's page."""

from __future__ import annotations

import json
import re
from pathlib import Path

from w2l.cli.sweep_page import read_jobs, sweep_document, swept


def job(folder: Path, number: int, lr: str, losses: list[float], error: str | None = None) -> None:
    place = folder / str(number)
    (place / "csv").mkdir(parents=True)
    values = {"experiment": "syncnet", "system.optimizer.lr": lr}
    told = {"number": number, "values": values, "value": None, "error": error}
    (place / "job.json").write_text(json.dumps(told))
    if error:
        return
    watched = [{"name": "val/loss", "last": losses[-1], "best": min(losses), "best_update": 2,
                "chance": None}]  # fmt: skip
    run = {"monitor": "val/loss", "monitor_mode": "min", "state": "finished", "update": 9,
           "seconds_now": 90.0, "watched": watched}  # fmt: skip
    (place / "summary.json").write_text(json.dumps(run))
    (place / "report.html").touch()
    rows = "".join(f"{i},{loss}\n" for i, loss in enumerate(losses))
    (place / "csv" / "metrics.csv").write_text(f"step,val/loss\n{rows}")


def test_the_best_job_comes_first_and_a_failed_one_last(tmp_path: Path) -> None:
    job(tmp_path, 0, "1e-3", [0.9, 0.7])
    job(tmp_path, 1, "<b>", [], error="lr=<b> is no number.")
    job(tmp_path, 2, "1e-4", [0.8, 0.3])
    assert [each["number"] for each in read_jobs(tmp_path)] == [2, 0, 1]
    assert swept(read_jobs(tmp_path)) == ["system.optimizer.lr"], "what differs between jobs"
    html = sweep_document(tmp_path)
    assert re.findall(r'href="(\d/report.html)"', html) == ["2/report.html", "0/report.html"]
    assert html.count("<polyline") == 2
    assert "<b>0.3</b>" in html
    assert "job 1: lr=&lt;b&gt; is no number." in html
