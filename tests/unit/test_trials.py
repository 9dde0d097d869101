"""What is tried in a process that may die: what of it is believed, and what is remembered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from w2l import trials

PROGRAM = """
import json, os, signal, sys
def main():
    given, *names = sys.argv[1:]
    for name in names:
        without_amx = os.environ.get("ONEDNN_MAX_CPU_ISA") == "AVX512_CORE_BF16"
        if name == "deadly" or (name == "bfloat16" and given == "no AMX" and not without_amx):
            os.kill(os.getpid(), signal.SIGILL)
        print(json.dumps({"length": len(name)}), flush=True)
"""
CPUINFO = "processor : 0\nmodel name : A Xeon\nflags : avx512_bf16 {}\n\nprocessor : 1\n"


@pytest.fixture(autouse=True)
def announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that says that it has AMX, and a program to try."""
    monkeypatch.setenv("W2L_MACHINE_DIR", str(tmp_path / "machine"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(trials.SWITCH, "1")
    monkeypatch.setenv(trials.LIMIT, "")
    monkeypatch.delenv(trials.LIMIT)
    monkeypatch.setattr(trials, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(CPUINFO.format("amx_tile"))
    (tmp_path / "deadly_program.py").write_text(PROGRAM)
    trials.processor.cache_clear()


def tried(given: str, *names: str) -> trials.Found:
    return trials.try_out("deadly_program", [given], names)


def test_what_dies_takes_nothing_else_along(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried("", "one", "deadly", "three", "deadly")
    assert found == {"one": {"length": 3}, "deadly": None, "three": {"length": 5}}
    monkeypatch.setattr(trials, "PATIENCE_S", 0)
    assert tried("", "one") == {}
    monkeypatch.setenv(trials.SWITCH, "0")
    assert tried("", "one") == {}


@pytest.mark.parametrize(("really", "limit"), [("AMX", None), ("no AMX", trials.WITHOUT_AMX)])
def test_amx_is_believed_when_a_trial_has_lived_through_it(really: str, limit: str | None) -> None:
    trials.distrust_amx()
    assert os.environ[trials.LIMIT] == trials.WITHOUT_AMX  # until it is known
    assert tried(really, "float32", "bfloat16") == {
        "float32": {"length": 7}, "bfloat16": {"length": 8},
    }  # fmt: skip
    del os.environ[trials.LIMIT]  # the next process
    trials.distrust_amx()
    assert os.environ.pop(trials.LIMIT, None) == limit


def test_nothing_is_limited_where_it_need_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(trials.LIMIT, "AVX2")  # the user's own
    trials.distrust_amx()
    assert os.environ[trials.LIMIT] == "AVX2"
    monkeypatch.delenv(trials.LIMIT)
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(""))
    trials.processor.cache_clear()
    assert trials.processor() == ("A Xeon", {"avx512_bf16"})
    trials.distrust_amx()
    assert trials.LIMIT not in os.environ


def test_answers_are_remembered_by_what_they_depend_on(tmp_path: Path) -> None:
    facts = {"torch": "2.13", "threads": 2}
    assert trials.recall(facts) is None
    trials.remember(facts, ["bfloat16"])
    assert trials.recall(dict(reversed(facts.items()))) == ["bfloat16"]
    assert trials.recall(facts | {"threads": 1}) is None
    (file,) = (tmp_path / "machine").iterdir()
    file.write_text("{")
    assert trials.recall(facts) is None
