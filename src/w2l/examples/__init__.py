"""Three clips of real people that come with w2l: 3 s each, of the GRID corpus (README.md here)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from w2l.errors import UserError

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Example:
    """A clip: 75 frames of 360×288 at 25 frames/s, and its true sound.

    Attributes:
        name: what `path` takes.
        speaker: number in the corpus; none of them is a speaker that w2l's networks train on.
        words: what is said.
    """

    name: str
    speaker: int
    words: str

    @property
    def path(self) -> Path:
        """The video."""
        return FOLDER / f"{self.name}.mp4"

    @property
    def title(self) -> str:
        """Who it is, for people."""
        return f"GRID speaker {self.speaker}"


EXAMPLES = (
    Example("grid_s3_sbia1a", 3, "set blue in a one again"),
    Example("grid_s4_lwbsza", 4, "lay white by s zero again"),
    Example("grid_s34_bbab9n", 34, "bin blue at b nine now"),
)


def names() -> list[str]:
    """What the clips are called.

    >>> names()
    ['grid_s3_sbia1a', 'grid_s4_lwbsza', 'grid_s34_bbab9n']
    """
    return [example.name for example in EXAMPLES]


def path(name: str) -> Path:
    """Where a clip lies.

    >>> path("grid_s4_lwbsza").name
    'grid_s4_lwbsza.mp4'

    Raises:
        UserError: there is none of that name.
    """
    for example in EXAMPLES:
        if example.name == name:
            return example.path
    raise UserError(f"{name!r} is no example: there are {', '.join(names())}.")
