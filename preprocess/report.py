"""What the user sees: progress while it runs, and a summary at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from preprocess.lists import Result
from preprocess.records import Record
from preprocess.splits import SPLITS


class Report:
    """Talks to the user.

    Args:
        console: where to; a file gets plain lines.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """One line, as it is: file names may hold what rich takes for markup."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """One line that stands out."""
        self.console.print(Text.assemble(("warning: ", "yellow"), text), soft_wrap=True)


def summary(result: Result, seconds: float, root: Path) -> Iterator[str]:
    """Lines that say what became of every clip."""
    accepted, rejected = result.accepted, result.rejected
    hours = sum(record["duration_s"] for record in accepted) / 3600
    splits = Counter(record["split"] for record in accepted)
    speakers = len({record["speaker"] for record in accepted})
    listed = ", ".join(f"{split} {splits[split]}" for split in SPLITS)
    length = f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
    yield f"{root}: {len(accepted)} clips, {length}, {speakers} speakers ({listed})"
    if rejected:
        yield f"rejected: {by_reason(rejected)}; {root / 'rejected.jsonl'} says why"
    if result.pending:
        yield f"not done yet: {result.pending}, the other shards'"
    yield f"{result.prepared} prepared now, in {seconds:.1f} s"


def by_reason(rejected: Iterable[Record]) -> str:
    """`2 no face, 1 broken file`."""
    counts = Counter(record["reason"] for record in rejected)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
