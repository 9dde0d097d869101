"""`--help`, `--version`, and the config without an experiment."""

from __future__ import annotations

import os
import sys

import pytest

from w2l import __version__
from w2l.building import CONFIG_DIR
from w2l.cli.help import answer, help_text, without_choice
from w2l.cli.hydra_app import quiet_pipe, run
from w2l.errors import UserError


def test_the_version_is_ours() -> None:
    assert answer(["--version"], CONFIG_DIR, "infer") == f"w2l {__version__}"
    assert answer(["face=x", "-m"], CONFIG_DIR, "infer") is None


def test_help_says_what_each_key_is_and_lists_only_its_own_groups() -> None:
    text = help_text(CONFIG_DIR, "infer")
    assert "quality: improved        # improved: only the mouth changes" in text
    assert "experiment" not in text
    assert "defaults" not in text
    assert "hydra" not in text
    train = help_text(CONFIG_DIR, "train")
    assert "experiment=  demo_syncnet, demo_wav2lip, judge_small," in train
    assert "overwrite: false" in train


def test_a_switch_for_a_key_is_told_how_keys_are_written() -> None:
    with pytest.raises(UserError, match=r"--face is no switch .* as face=x\.mp4"):
        answer(["--face=x.mp4"], CONFIG_DIR, "infer")


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        (["--cfg", "job"], ["~experiment"]),
        (["--cfg=job", "experiment=syncnet"], []),
        (["-c", "job", "seed=1"], ["~experiment"]),
        (["seed=1"], []),
    ],
)
def test_the_config_is_shown_without_an_experiment(arguments: list[str], added: list[str]) -> None:
    assert without_choice(arguments, CONFIG_DIR / "train.yaml") == added


def test_train_shows_what_all_experiments_share(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--cfg", "job"])
    run(lambda cfg: None, "train")
    shown = capsys.readouterr()
    assert "run_dir: outputs/train/" in shown.out
    assert shown.err.startswith("experiment= is not given")


def test_a_closed_pipe_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:  # closing it, at the end, writes again what is left
        monkeypatch.setattr(sys, "stdout", out)
        with pytest.raises(SystemExit) as left, quiet_pipe():
            print("nobody reads this", flush=True)
    assert left.value.code == 141
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "detector"),
    [
        (["published=true", "--cfg", "job"], "S3FD"),  # beside what is there, not after a switch
        (["--cfg", "job", "published=true"], "S3FD"),
        (["published=true", "detector=yunet", "--cfg", "job"], "YuNet"),
        (["published=false", "--cfg", "job"], "CenterFace"),
        (["--cfg", "job", "seed=1"], "S3FD"),  # published is the default of a benchmark
    ],
)
def test_published_chooses_the_detector(
    arguments: list[str],
    detector: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    run(lambda cfg: None, "evaluation")
    assert f"_target_: w2l.faces.{detector}\n" in capsys.readouterr().out
