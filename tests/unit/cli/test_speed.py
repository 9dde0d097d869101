"""What is switched on for speed, and that it changes nothing but that."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from w2l import trials
from w2l.cli.speed import compile_networks, picked_precision
from w2l.errors import UserError
from w2l.models import Expert, trial
from w2l.systems import ExpertSystem


@pytest.mark.parametrize(
    ("cuda", "bf16", "accelerator", "expected"),
    [
        (True, True, "auto", "bf16-mixed"),
        (True, False, "auto", "32-true"),
        (True, True, "cpu", "32-true"),
        (False, False, "auto", "32-true"),
    ],
)
def test_precision_is_bf16_where_there_are_units(
    cuda: bool, bf16: bool, accelerator: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)

    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return bf16 or including_emulation  # a T4 and a V100 emulate it, slowly

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert picked_precision("auto", accelerator) == expected
    assert picked_precision(32, accelerator) == 32
    if cuda and not bf16:
        with pytest.raises(UserError, match="no units for bfloat16"):
            picked_precision("bf16-mixed", accelerator)
    else:
        assert picked_precision("bf16-mixed", accelerator) == "bf16-mixed"


@pytest.mark.parametrize("precision", [16, "16", "16-mixed", "16-true"])
def test_float16_is_refused(precision: object) -> None:
    with pytest.raises(UserError, match=f"trainer.precision={precision}: float16 needs"):
        picked_precision(precision, "auto")


@pytest.mark.parametrize("precision", ["bf16-true", "transformer-engine", "fast"])
def test_networks_that_would_not_fit_their_input_are_refused(precision: object) -> None:
    with pytest.raises(UserError, match=f"trainer.precision={precision}: images and sound"):
        picked_precision(precision, "auto")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"bfloat16": {"times": 1.3}}, "bf16-mixed"),
        ({"bfloat16": {"times": 1.05}}, "32-true"),
        ({"bfloat16": None}, "32-true"),  # it died
        ({}, "32-true"),  # nothing was tried
    ],
)
def test_a_cpu_trains_in_bfloat16_where_a_trial_was_quicker(
    found: trials.Found, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def try_out(module: str, arguments: list[str], names: list[str]) -> trials.Found:
        asked.append(arguments[:2])
        return found

    monkeypatch.setattr(trials, "try_out", try_out)
    monkeypatch.setenv("W2L_MACHINE_DIR", str(tmp_path))
    with monkeypatch.context() as several:
        several.setenv("WORLD_SIZE", "2")
        assert picked_precision("auto", "cpu", 0.25, 64) == "32-true"
    assert picked_precision("auto", "cpu", 0.25, 64) == expected
    assert picked_precision("auto", "cpu", 0.25, 64) == expected
    assert asked == [["0.25", "64"]] * (1 if found else 2)  # an answer is remembered


def test_the_trial_of_training_prints_how_many_times_as_quick(
    monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    threads = str(torch.get_num_threads())
    monkeypatch.setattr(sys, "argv", ["trial", "0.0625", "48", threads, "bfloat16"])
    trial.main()
    assert json.loads(capsys.readouterr().out)["times"] > 0


def test_networks_are_compiled_where_it_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[type] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(type(self)))
    system = ExpertSystem(Expert(1 / 16))
    names = set(system.state_dict())
    assert compile_networks(system, "auto", "auto") == []
    assert compile_networks(system, False, "auto") == []
    assert compile_networks(system, True, "cpu") == ["expert"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert compile_networks(system, "auto", "cpu") == []
    assert compile_networks(system, "auto", "auto") == ["expert"]
    assert compiled == [Expert, Expert]
    assert set(system.state_dict()) == names
    with pytest.raises(UserError, match="compile must be"):
        compile_networks(system, "sometimes", "auto")
