"""What a training says, and where."""

from __future__ import annotations

import io
import logging
import re
import shlex
import sys
import warnings
from pathlib import Path

import pytest
import torch

from tests.unit.systems.test_systems import WIDTH, build, lips, trainer
from w2l.callbacks import RunReport
from w2l.cli.run_log import generator_of, logged
from w2l.cli.train import main
from w2l.data import ClipDataModule, LipBatch, SyncSamples
from w2l.errors import UserError
from w2l.models import Expert
from w2l.progress import duration
from w2l.systems import ExpertSystem


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Grey:
    """A loss term of one's own."""

    weight = 0.5

    def __call__(self, batch: LipBatch, generated: torch.Tensor) -> torch.Tensor:
        return (generated - 0.5).abs().mean()


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name.startswith("w2l")]


def test_a_line_now_and_then_and_one_after_each_validation(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "w2l.callbacks.run_report")
    data = ClipDataModule(prepared, SyncSamples(), batch_size=2, num_workers=0, repeats=4)
    run = trainer(tmp_path, 3, RunReport(0), val_check_interval=2, limit_val_batches=1)
    run.fit(ExpertSystem(Expert(WIDTH)), datamodule=data)
    numbers = r"train/loss \S+, train/loss_over_chance \S+ \(chance: 1\)"
    expected = [
        rf"update 1 of 3 \| \S+ updates/s \| \d.* left \| {numbers}",
        rf"update 2 of 3 \| .* left \| {numbers}",
        r"update 2 validated \| val/loss \S+, val/accuracy \S+",
        rf"update 3 of 3 \| .* \| 0 s left \| {numbers}",
    ]
    for line, pattern in zip(lines_of(caplog), expected, strict=True):
        assert re.fullmatch(pattern, line)


def test_between_two_lines_nothing_is_said_and_values_are_means(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "w2l.callbacks.run_report")
    report, losses = RunReport(every_s=1e9), []

    class Losses(RunReport):
        def on_train_batch_end(self, trainer, *_) -> None:  # type: ignore[no-untyped-def]
            losses.append(float(trainer.callback_metrics["train/loss_l1"]))

        on_train_start = on_train_end = lambda *_: None  # type: ignore[assignment]

    system = build(gan=True)
    system.terms["grey"] = Grey()
    trainer(tmp_path, 6, report, Losses(), limit_val_batches=0).fit(
        system, datamodule=lips(prepared)
    )
    assert not lines_of(caplog)
    ended, *values = report.summary()
    assert re.fullmatch(r"trained: 3 updates in \d.*", ended)
    (shown,) = [line.split()[2] for line in values if line.split()[0] == "train/loss_l1"]
    assert float(shown) == pytest.approx(sum(losses) / 3, rel=1e-3)
    assert "train/loss_grey" in {line.split()[0] for line in values}, "a term of one's own"


def test_the_best_value_is_told_with_its_update() -> None:
    report = RunReport()
    report.watched = {"val/loss": None, "val/pair_accuracy": 0.5}
    report.first, report.update, report.started = 2, 2, 0.0
    for update, loss, accuracy in ((4, 0.5, 0.7), (6, 0.75, 0.9), (8, float("nan"), 0.8)):
        report.update = update
        report._note("val/loss", loss)
        report._note("val/pair_accuracy", accuracy)
    resumed = RunReport()
    resumed.load_state_dict(report.state_dict())
    assert resumed.best == report.best == {"val/loss": (0.5, 4), "val/pair_accuracy": (0.9, 6)}
    first, *values = report.summary()
    assert first.endswith(", 8 in all"), "a run that went on tells both numbers"
    assert values == [
        "  val/loss           last nan, best 0.5 at update 4",
        "  val/pair_accuracy  last 0.8 (chance: 0.5), best 0.9 at update 6",
    ]


def test_a_terminal_has_one_bar_and_the_file_the_lines(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with logged(tmp_path / "train.log"):
        run = trainer(tmp_path, 2, RunReport(0), val_check_interval=2, limit_val_batches=1)
        run.fit(build(), datamodule=lips(prepared))
    written = (tmp_path / "train.log").read_text()
    assert [written.count(f"update {n} of 2 |") for n in (1, 2)] == [1, 1]
    drawn = terminal.getvalue()
    assert "\r\x1b[2K" in drawn, "the bar is drawn over itself"
    assert re.search(r"━\S* 2/2 \S+/s 0 s left  L1 [\d.]+  sync [\d.]+", drawn), "in 80 columns"
    assert "…" not in drawn
    on_lines = [line.rpartition("\r\x1b[2K")[2] for line in drawn.split("\n")]
    assert sum("update 2 validated |" in line for line in on_lines) == 1
    assert not any(line.startswith("update 2 of 2") for line in on_lines)


def test_all_that_is_said_is_in_the_log_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda *what: shown.append(str(what[0])))
    file = tmp_path / "train.log"
    lightning = logging.getLogger("pytorch_lightning.utilities.rank_zero")

    def work() -> None:
        logging.getLogger("w2l.cli.train").info("expert: é.ckpt")
        lightning.info("GPU available: False")
        lightning.info("`Trainer.fit` stopped: `max_steps=12` reached.")
        warnings.showwarning(UserWarning("odd"), UserWarning, "x.py", 1)
        raise UserError("no")

    with pytest.raises(UserError), logged(file):
        work()
    with pytest.raises(ZeroDivisionError), logged(file):
        _ = 1 / 0
    lines = [line[20:] for line in file.read_text().splitlines() if line[:2] == "20"]
    assert lines == [
        "expert: é.ckpt", "GPU available: False", "warning: odd", "error: no", "error"
    ]  # fmt: skip
    assert "ZeroDivisionError: division by zero" in file.read_text()
    told = capsys.readouterr().out.splitlines()
    assert told == ["expert: é.ckpt", "GPU available: False"] or len(told) == 2
    assert shown == ["odd"], "the terminal shows it as before"
    assert not logging.getLogger("w2l").handlers, "as before"


def test_a_gan_run_ends_with_its_own_number_of_updates_and_the_next_command(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    expert, run_dir = tmp_path / "expert.pth", tmp_path / "a run"
    network = Expert(WIDTH, image_size=48)
    torch.save({"w2l": {"network": "expert", "config": network.config},
                "state_dict": network.state_dict()}, expert)  # fmt: skip
    monkeypatch.setattr(sys, "argv", [
        "train.py", "experiment=wav2lip_gan", "debug=fast", "model.width=0.0625",
        "model.image_size=48", f"data.root={prepared}", f"expert={expert}", f"run_dir={run_dir}",
    ])  # fmt: skip
    main()
    out, err = capfd.readouterr()
    assert "Epoch" not in out + err
    assert "max_steps" not in out + err
    lines = out.splitlines()
    assert [line[20:] for line in (run_dir / "train.log").read_text().splitlines()] == lines
    (ended,) = [i for i, line in enumerate(lines) if line.startswith("trained: 2 updates in ")]
    told = dict(line.split(": ", 1) for line in lines[ended:] if not line.startswith(" "))
    for name in ("curves", "images", "checkpoint", "best"):
        assert Path(told[name]).exists()
    best = run_dir / "checkpoints" / "best.ckpt"
    assert shlex.split(told["next"])[-1] == f"checkpoint={best}"


@pytest.mark.parametrize(
    ("expert", "generator"),
    [
        ("syncnet_small", ("wav2lip_small", 96)),
        ("demo_syncnet", ("demo_wav2lip", 64)),
        ("syncnet", ("wav2lip", 96)),
        ("mine", ("wav2lip_strong", 96)),
    ],
)
def test_the_generator_that_comes_next_is_of_the_experts_recipe(
    expert: str, generator: tuple[str, int]
) -> None:
    assert generator_of(expert) == generator


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (99, "99 s"), (720, "12 min"), (12000, "3 h 20 min")]
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
