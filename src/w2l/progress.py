"""How far counted work is: one bar on a terminal, elsewhere a line every half minute."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
EVERY_S = 30.0  # from one line to the next


def duration(seconds: float) -> str:
    """A rounded time, as `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Lines:
    """Says every `EVERY_S` how many of some items are done, how fast, and the time left.

    Nothing is said of work that is shorter, nor once all is done.

    Args:
        console: where to.
        total: how many are expected.
        doing: what is done, before the numbers; may be empty.
        what: the items' name.
    """

    def __init__(self, console: Console, total: int, doing: str, what: str) -> None:
        self.console, self.total, self.doing, self.what = console, total, doing, what
        self.said = time.monotonic()
        self.first: float | None = None  # time of the first item: until then workers start up
        self.rate = 0.0  # items a second

    def done(self, n: int) -> None:
        """Count; call it after each item."""
        now = time.monotonic()
        self.first = now if self.first is None else self.first
        self.rate = (n - 1) / (now - self.first) if now > self.first else 0.0
        if self.console.is_terminal or n >= self.total or now - self.said < EVERY_S:
            return
        self.said = now
        left = f"{duration((self.total - n) / self.rate)} left" if self.rate else "just begun"
        text = f"{n}/{self.total} {self.what}, {self.rate:.2f} {self.what}/s, {left}"
        text = f"{self.doing}: {text}" if self.doing else text
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def counted(items: Iterable[T], total: int, console: Console, doing: str, what: str) -> Iterator[T]:
    """Pass items on, and show how many came, the rate and the time left.

    Args:
        items: what is waited for.
        total: how many are expected.
        console: where to.
        doing: what is done, in a word or two.
        what: the items' name, in the plural.
    """
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(),
               TextColumn(f"{{task.fields[rate]:.2f}} {what}/s"), TimeRemainingColumn(),
               TextColumn("left"))  # fmt: skip
    lines = Lines(console, total, doing, what)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(doing, total=total, rate=0.0)
        for n, item in enumerate(items, 1):
            lines.done(n)
            bar.update(task, completed=n, rate=lines.rate)
            yield item
