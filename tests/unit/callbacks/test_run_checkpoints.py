"""Which checkpoints a run keeps, and what signals do."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from w2l.callbacks import CurveFile, RunCheckpoints, Stopped, StopSignals, copy_best
from w2l.cli.requeue import leave
from w2l.errors import UserError


def run(checkpoints: RunCheckpoints, updates: int, scores: dict[int, float] | None = None) -> None:
    """What Lightning calls, with checkpoints that hold their update."""
    epoch_loop = SimpleNamespace(
        _should_check_val_fx=lambda _: False, batch_progress=SimpleNamespace(is_last_batch=False)
    )

    def save(path: Path, weights_only: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(trainer.global_step))

    trainer: Any = SimpleNamespace(
        global_step=0, max_steps=-1, max_epochs=-1, current_epoch=0, is_global_zero=True,
        sanity_checking=False, loggers=[], callback_metrics={}, save_checkpoint=save,
        fit_loop=SimpleNamespace(epoch_loop=epoch_loop, _data_fetcher=object()),
        strategy=SimpleNamespace(reduce_boolean_decision=lambda fine, all: fine),
    )  # fmt: skip
    system: Any = torch.nn.Linear(1, 1)
    system.optimizers_per_update = 1
    for update in range(1, updates + 1):
        checkpoints.on_train_batch_start(trainer, system, None, 0)
        trainer.global_step = update
        checkpoints.on_train_batch_end(trainer, system, None, None, 0)
        if scores and update in scores:
            trainer.callback_metrics["val/loss"] = scores[update]
            checkpoints.on_validation_end(trainer, system)
    checkpoints.on_train_end(trainer, system)


def names(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("links", [True, False])
def test_keeps_the_newest_ones_last_and_best(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("none here")))
    checkpoints = RunCheckpoints(tmp_path, every=2, keep_last=2)
    run(checkpoints, 7, {2: 0.5, 4: 0.3, 6: 0.4})
    assert names(tmp_path) == {
        "best.ckpt": "4",
        "last.ckpt": "7",
        "update-0000006.ckpt": "6",
        "update-0000007.ckpt": "7",
    }
    assert checkpoints.best_score == 0.3
    assert (tmp_path / "last.ckpt").samefile(tmp_path / "update-0000007.ckpt") is links


def test_a_run_that_went_back_keeps_what_it_writes(tmp_path: Path) -> None:
    run(RunCheckpoints(tmp_path, every=3, keep_last=3), 9)
    for path in tmp_path.iterdir():
        os.utime(path, (1e9, 1e9))
    run(RunCheckpoints(tmp_path, every=2, keep_last=1), 2)
    assert names(tmp_path) == {"last.ckpt": "2", "update-0000002.ckpt": "2"}


def test_best_can_be_the_largest_and_survives_a_resume(tmp_path: Path) -> None:
    first = RunCheckpoints(tmp_path / "a", every=10, monitor="val/loss", mode="max")
    run(first, 4, {1: 0.5, 2: 0.7, 3: 0.6})
    assert (tmp_path / "a" / "best.ckpt").read_text() == "2"
    copy_best(tmp_path / "a" / "last.ckpt", tmp_path / "b")
    second = RunCheckpoints(tmp_path / "b", every=10, monitor="val/loss", mode="max")
    second.load_state_dict(first.state_dict())
    run(second, 3, {1: 0.65})
    assert (tmp_path / "b" / "best.ckpt").read_text() == "2"
    assert second.best_score == 0.7


@pytest.mark.filterwarnings("ignore:val/loss is nan")
def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    checkpoints = RunCheckpoints(tmp_path, every=10)
    run(checkpoints, 4, {1: math.nan, 2: 0.5, 3: math.nan, 4: math.nan})
    assert (tmp_path / "best.ckpt").read_text() == "2"
    assert checkpoints.best_score == 0.5


def test_a_score_of_another_metric_is_not_gone_on_with(tmp_path: Path) -> None:
    first = RunCheckpoints(tmp_path, every=10, monitor="val/loss_l1")
    first.best_score = 0.01
    second = RunCheckpoints(tmp_path, every=10)
    second.load_state_dict(first.state_dict())
    run(second, 2, {1: 0.5})
    assert second.best_score == 0.5
    second.load_state_dict({"best_score": math.nan})  # as it was written once
    assert second.best_score is None


def test_a_monitor_that_is_not_logged_is_said_once(tmp_path: Path) -> None:
    checkpoints = RunCheckpoints(tmp_path, every=10, monitor="val/los")
    with pytest.warns(UserWarning, match="monitor=val/los was not .* logged val/loss") as said:
        run(checkpoints, 3, {1: 0.5, 2: 0.4})
    assert len(said) == 1
    assert not (tmp_path / "best.ckpt").exists()


def test_numbers_that_cannot_be_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="keep_last=0"):
        RunCheckpoints(tmp_path, every=1, keep_last=0)
    with pytest.raises(UserError, match="min or max"):
        RunCheckpoints(tmp_path, every=1, mode="best")  # type: ignore[arg-type]


@pytest.fixture
def untouched() -> Iterator[None]:
    """Each test leaves the handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    yield
    after = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert before == after


@pytest.mark.usefixtures("untouched")
def test_a_second_signal_changes_nothing_and_an_impatient_ctrl_c_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)  # as torchrun passes it on
        assert stop.received == signal.SIGTERM
        monkeypatch.setattr("w2l.callbacks.stop_signals.IMPATIENT_S", 0.0)
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err.count("stopping after this update") == 1


@pytest.mark.usefixtures("untouched")
def test_submitits_handler_runs_once_the_checkpoint_is_there(tmp_path: Path) -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: calls.append(number))
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGUSR2)
        assert stop.received == signal.SIGUSR2
        assert calls == []
        with pytest.raises(SystemExit) as left:
            leave(Stopped(signal.SIGUSR2, tmp_path), stop, speaks=True)
    assert calls == [signal.SIGUSR2]
    assert left.value.code == 128 + signal.SIGUSR2
    signal.signal(signal.SIGUSR2, before)


def test_curves_go_on_where_the_run_does(tmp_path: Path) -> None:
    def logged(validated: int) -> CurveFile:
        curves = CurveFile(tmp_path, name=None, version="csv")
        for step in range(4):
            curves.log_metrics({"train/loss": step / 3}, step)
            if step == validated:
                curves.log_metrics({"val/loss": 1.0}, step)
        curves.save()
        return curves

    logged(2)
    path = tmp_path / "csv" / "metrics.csv"
    whole = path.read_text()
    for step, validation, lines in ((3, False, 5), (3, True, 4), (2, True, 3), (0, False, None)):
        path.write_text(whole)
        CurveFile(tmp_path, name=None, version="csv").begin(step, validation)
        assert (len(path.read_text().splitlines()) if path.is_file() else None) == lines
    path.write_text(whole)
    again = CurveFile(tmp_path, name=None, version="csv")
    again.begin(3, False)
    again.log_metrics({"train/loss": 3 / 3}, 3)
    again.save()
    assert path.read_text() == whole
