"""Progress of a stage on the terminal: frames, frames a second, time left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from w2l.progress import Lines

T = TypeVar("T")


def quiet(frames: Iterable[T], stage: str, total: int) -> Iterator[T]:
    """Yield `frames` and draw nothing, where the terminal is another's."""
    yield from frames


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        seconds = task.finished_time or task.elapsed
        return Text(f"{task.completed / seconds:.1f} frames/s" if seconds else "")


class StageProgress:
    """Draws one bar per stage.

    Where the output is no terminal: a line every half minute, and each stage's last state.

    Args:
        console: where to draw.
        transient: nothing is left of a bar when its stage is over.
    """

    def __init__(self, console: Console, *, transient: bool = False) -> None:
        self.console, self.transient = console, transient
        self._bar: Progress | None = None

    def __call__(self, frames: Iterable[T], stage: str, total: int) -> Iterator[T]:
        """Yield `frames`; `total` is how many are expected."""
        columns = (
            TextColumn("{task.description:>13}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        if self._bar is not None:
            self._bar.stop()  # of a stage that was left before its end
        hidden = self.transient and not self.console.is_terminal
        with Progress(
            *columns, console=self.console, transient=self.transient, disable=hidden
        ) as progress:
            self._bar = progress
            task = progress.add_task(stage, total=total)
            n, lines = 0, Lines(self.console, total, stage, "frames")
            for frame in frames:
                n += 1
                lines.done(n)
                progress.update(task, completed=n)  # counted before: who asks may stop here
                yield frame
            progress.update(task, total=n)  # what was expected was an estimate
