"""The stored speech recordings: who says what, in which split."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

SPEECH = Path(__file__).with_name("speech")


class Recording(NamedTuple):
    """One recording of four seconds; `scripts/make_demo_speech.py` made them all."""

    speaker: str
    clip: str
    split: str  # train, val or test
    voice: str  # espeak-ng's name of it
    text: str

    @property
    def path(self) -> Path:
        """The Opus file, 16 kHz mono."""
        return SPEECH / f"{self.speaker}_{self.clip}.opus"

    @property
    def words(self) -> list[str]:
        """What is said, without the comma."""
        return self.text.replace(",", "").split()


@cache
def recordings() -> tuple[Recording, ...]:
    """All recordings, in the list's order."""
    with open(SPEECH / "recordings.tsv", encoding="utf-8", newline="") as file:
        return tuple(Recording(**row) for row in csv.DictReader(file, delimiter="\t"))
