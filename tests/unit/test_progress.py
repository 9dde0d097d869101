"""How far counted work is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from w2l.progress import counted


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of which a test moves the hand."""
    now = [0.0]
    monkeypatch.setattr("w2l.progress.time.monotonic", lambda: now[0])
    return now


def said(console: Console, seconds: list[float], n: int, each_s: float) -> str:
    def slow() -> object:
        for i in range(n):
            seconds[0] += each_s
            yield i

    assert list(counted(slow(), n, console, "making", "pairs")) == list(range(n))  # type: ignore[arg-type]
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_without_a_terminal_a_line_comes_every_half_minute(seconds: list[float]) -> None:
    text = said(Console(file=io.StringIO()), seconds, 10, 10.0)
    assert text.splitlines() == [
        "making: 3/10 pairs, 0.10 pairs/s, 70 s left",
        "making: 6/10 pairs, 0.10 pairs/s, 40 s left",
        "making: 9/10 pairs, 0.10 pairs/s, 10 s left",
    ]


def test_short_work_says_nothing(seconds: list[float]) -> None:
    assert said(Console(file=io.StringIO()), seconds, 10, 1.0) == ""


def test_a_terminal_has_a_bar_and_no_lines(seconds: list[float]) -> None:
    text = said(Console(file=io.StringIO(), force_terminal=True, width=100), seconds, 4, 60.0)
    assert "4/4" in text
    assert "pairs, " not in text
