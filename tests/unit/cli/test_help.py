"""`--help`, `--version`, and the config without an experiment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.keys import Benchmarks
from evaluation.keys import Evaluation
from tests.settings import COMMANDS
from w2l import __version__
from w2l.building import CONFIG_DIR
from w2l.cli.help import answer, groups, help_text, without_choice
from w2l.cli.hydra_app import quiet_pipe, run
from w2l.cli.keys.infer import Infer
from w2l.cli.keys.train import Train
from w2l.errors import UserError
from w2l.schema import keys


def test_the_version_is_ours() -> None:
    assert answer(["--version"], CONFIG_DIR, Infer) == f"w2l {__version__}"
    assert answer(["face=x", "-m"], CONFIG_DIR, Infer) is None


def test_help_says_of_each_key_its_type_default_and_meaning() -> None:
    text = help_text(CONFIG_DIR, Infer)
    assert "  python infer.py face=person.mp4 audio=speech.wav\n" in text
    assert "  quality=improved  (improved, fast or enhanced)\n      improved changes only" in text
    assert "  box=null  (four whole numbers: [top,bottom,left,right], or null)\n" in text
    assert "  detect_every=5  (a whole number, 1 or more)\n" in text
    assert "  detector=centerface\n      finds the faces (published: s3fd)." in text
    assert "experiment" not in text
    assert "hydra" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_help_beside_a_choice_is_what_its_class_says(tmp_path: Path) -> None:
    text = answer(["source=lrs3", "--help"], CONFIG_DIR, COMMANDS["preprocess"]) or ""
    start = text.index("\nsource=lrs3: preprocess.sources.Lrs3(data_root: ")
    assert "pretrain: " in text[start:]
    assert "LRS3 leaves it open which part of trainval validates" in text[start:]
    (tmp_path / "source").mkdir()
    (tmp_path / "source/mine.yaml").write_text("_target_: pathlib.PurePath\n")
    words = ["--help", "source=mine"]
    assert "PurePath" in (answer(words, CONFIG_DIR, COMMANDS["preprocess"], [tmp_path]) or "")
    several = answer(["metrics=all", "metrics=psnr", "-h"], CONFIG_DIR, COMMANDS["evaluate"]) or ""
    assert "Peak signal-to-noise ratio, dB." in several


def test_help_of_a_training_and_of_benchmarks_names_arguments_and_groups() -> None:
    text = help_text(CONFIG_DIR, Train)
    assert "  experiment=…\n      what is trained: system, data" in text
    assert "One of demo_syncnet, demo_wav2lip, judge_small," in text
    assert (
        "  overwrite=false  (true or false)\n      true: a run that is in run_dir is deleted"
        in text
    )
    assert "  overfit.samples=32  (a whole number, 1 or more)" in text
    assert "  data.num_workers=2  (a whole number, 0 or more)\n      loading processes" in text
    assert "  data.root=data/lrs2  (a path)" in text
    assert "  data.samples" not in text
    measured = help_text(CONFIG_DIR, Benchmarks)
    assert (
        "  loader.turns=5  (a whole number, 1 or more)\n      measurements of each, in turn"
        in measured
    )
    for lines in (text, measured):
        assert max(map(len, lines.splitlines())) <= 100
        assert lines.count("\n  python ") == 3


@pytest.mark.parametrize("command", COMMANDS.values(), ids=[*COMMANDS])
def test_every_key_of_every_command_is_explained(command: Any) -> None:
    text = help_text(CONFIG_DIR, command)
    assert len(command.EXAMPLES) == 3
    for key in keys(command).values():
        assert len(key.help) > 5, key.name
        assert f"  {key.name}{'.' if key.nested else '='}" in text
    for group, choice in groups(CONFIG_DIR / f"{command.NAME}.yaml").items():
        assert keys(command)[group].is_component, choice


def test_a_switch_for_a_key_is_told_how_keys_are_written() -> None:
    with pytest.raises(UserError, match=r"--face is no switch .* as face=x\.mp4"):
        answer(["--face=x.mp4"], CONFIG_DIR, Infer)


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
    run(lambda settings: None, Train)
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
    run(lambda settings: None, Evaluation)
    assert f"_target_: w2l.faces.{detector}\n" in capsys.readouterr().out


def test_the_shell_completes_keys_and_choices() -> None:
    for line, answer_ in (
        ("w2l-infer qual", "quality="),
        ("w2l-infer detector=center", "=centerf"),
    ):
        asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_CWORD": "1"}
        done = subprocess.run(
            [sys.executable, "-c", "from w2l.cli.commands import infer; infer()", "-sc",
             "query=bash"],
            env={**os.environ, **asked}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert answer_ in done.stdout
