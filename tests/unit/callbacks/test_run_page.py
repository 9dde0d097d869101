"""A run's page and its summary."""

from __future__ import annotations

import json
import logging
import re
import signal
from pathlib import Path

import pytest

from tests.unit.systems.test_systems import WIDTH, build, lips, trainer
from w2l.callbacks import CurveFile, DivergedError, RunPage, RunReport, SampleGrid, Stopped
from w2l.callbacks.run_document import read_curves
from w2l.data import ClipDataModule, SyncSamples
from w2l.models import Expert
from w2l.systems import ExpertSystem


def page_of(folder: Path, next_command: str = "next & last") -> RunPage:
    return RunPage(folder, "wav2lip", "val/loss", "min", lambda: next_command)


def trained(prepared: Path, folder: Path, page: RunPage, updates: int = 2) -> RunReport:
    report, curves = RunReport(1e9), CurveFile(folder, name=None, version="csv")
    run = trainer(
        folder, updates, report, SampleGrid(folder / "samples"), page,
        val_check_interval=1, limit_val_batches=1, logger=curves, log_every_n_steps=1,
    )  # fmt: skip
    with page.until_the_end(run):
        run.fit(build(), datamodule=lips(prepared))
    return report


def test_the_page_shows_what_the_run_made_and_needs_nothing_beside_it(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "w2l.callbacks.run_page")
    report = trained(prepared, tmp_path, page_of(tmp_path))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["state"], summary["update"], summary["total"]) == ("finished", 2, 2)
    told = {each["name"]: each["last"] for each in summary["watched"]}
    assert told == report.last
    assert {"train/loss_l1", "val/loss"} <= told.keys()
    html = (tmp_path / "report.html").read_text()
    assert "next &amp; last" in html, "ready to paste, and escaped"
    assert f"<b>{told['val/loss']:.4g}</b>" in html
    assert html.count("<polyline") >= 6, "train and val of each loss"
    assert f"val: {told['val/loss_l1']:.4g} at 2</title>" in html
    assert html.count("data:image/jpeg") == 2, "samples of both validations"
    assert f"{summary['data']['splits']['train']['clips']} clips of" in html
    outside = re.findall(r'(?:src|href)="(?!data:)([^"]*)"', html)
    assert all((tmp_path / place).exists() for place in outside), outside
    assert any("report.html" in each.getMessage() for each in caplog.records), "where it is"


def test_how_far_from_chance_an_expert_is_stands_first(prepared: Path, tmp_path: Path) -> None:
    data = ClipDataModule(prepared, SyncSamples(), batch_size=2, num_workers=0)
    page = page_of(tmp_path)
    run = trainer(tmp_path, 1, RunReport(0), page, limit_val_batches=1, val_check_interval=1)
    run.fit(ExpertSystem(Expert(WIDTH)), datamodule=data)
    html = (tmp_path / "report.html").read_text()
    tile = re.search(r"train/loss_over_chance<b>\S+</b><span class=\"small\">(.*?)</span>", html)
    assert tile is not None
    assert tile[1] == "guessing gives 1"
    assert ">running</span>" in html


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Stopped(signal.SIGTERM), "stopped by SIGTERM"),
        (DivergedError("the loss is NaN"), "diverged: the loss is NaN"),
        (ZeroDivisionError("by zero"), "failed: by zero"),
    ],
)
def test_what_ended_a_run_stands_on_its_page(
    error: BaseException, state: str, tmp_path: Path
) -> None:
    page, run = page_of(tmp_path), trainer(tmp_path, 1)
    page._facts = {"data": {"root": "set", "splits": {}}, "parameters": 1, "meanings": {}}
    with pytest.raises(type(error)), page.until_the_end(run):
        raise error
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["state"], summary["next"]) == (state, None)
    html = (tmp_path / "report.html").read_text()
    assert state in html
    assert (f"run_dir={tmp_path} resume=auto" in html) == state.startswith("stopped")


def test_a_page_that_cannot_be_written_is_said_once_and_ends_nothing(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "w2l.callbacks.run_page")
    (tmp_path / "report.html").mkdir()  # a folder is in the way
    report = trained(prepared, tmp_path, page_of(tmp_path))
    assert report.update == 2
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("warning")]
    assert len(said) == 1
    assert "report.html was not written: Cannot write" in said[0]


def test_a_damaged_curve_file_costs_the_page_only(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> None:
        raise ValueError("not a number")

    monkeypatch.setattr("w2l.callbacks.run_document.read_curves", broken)
    assert trained(prepared, tmp_path, page_of(tmp_path)).update == 2
    assert not (tmp_path / "report.html").exists()


def test_rows_count_updates_from_one(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    text = "epoch,step,train/loss,val/loss,optim/lr\n0,0,0.5,,\n0,1,0.25,0.75,1e-3\n"
    (tmp_path / "csv" / "metrics.csv").write_text(text)
    assert read_curves(tmp_path) == {
        "loss": {"train": [(1, 0.5), (2, 0.25)], "val": [(2, 0.75)]},
        "lr": {"optim": [(2, 1e-3)]},
    }
