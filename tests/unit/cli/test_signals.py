"""A command that is ended by a signal says so, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import w2l.cli.evaluate
from preprocess import command as preprocess
from tests.waiting import FOR_EVER
from w2l.cli.signals import Ended, ended_by_signals
from w2l.files import atomic_path


def killed(*_: Any, **__: Any) -> None:
    """Works on a file when the signal comes."""
    with atomic_path("outputs/half.mp4") as path:
        path.write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")


@pytest.mark.parametrize("command", ["evaluate", "preprocess"])
def test_sigterm_is_one_sentence_and_leaves_nothing(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").touch()
    if command == "evaluate":
        monkeypatch.setattr(w2l.cli.evaluate, "score", killed)
        monkeypatch.setattr(sys, "argv", ["evaluate.py", "video=a.mp4"])
        main = w2l.cli.evaluate.main
    else:
        monkeypatch.setattr(preprocess, "prepare", killed)
        monkeypatch.setattr(sys, "argv", ["preprocess", "source=folder", "data_root=.", "out=set"])
        main = preprocess.main
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: None)  # without ours, the test itself would be ended
    try:
        with pytest.raises(SystemExit) as left:
            main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left.value.code == 143
    assert capsys.readouterr().err == "ended by SIGTERM; what was finished is kept\n"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "a.mp4"]


def test_a_second_signal_does_not_end_the_cleaning_up() -> None:
    cleaned = []

    @ended_by_signals()
    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    with pytest.raises(Ended) as ended:
        work()
    assert cleaned
    assert ended.value.signal == signal.SIGTERM


def test_a_signal_that_a_callback_swallows_comes_again() -> None:
    """Destructors pass no exception on."""

    class Library:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    @ended_by_signals()
    def work() -> None:
        Library()
        threading.Event().wait(FOR_EVER)
        raise AssertionError("it was lost")

    with pytest.raises(Ended):
        work()
