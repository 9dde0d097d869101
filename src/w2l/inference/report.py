"""What a sync tells its user afterwards: which frames it left untouched, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from w2l.scoring import CosineResult


def clock(seconds: float | Fraction) -> str:
    """Seconds as minutes and seconds.

    >>> clock(83.5)
    '1:23.50'
    """
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


@dataclass(frozen=True)
class Untouched:
    """Output frames start … stop - 1, left as they came for `reason`."""

    start: int
    stop: int
    reason: str


@dataclass
class SyncReport:
    """What was written.

    Attributes:
        outfile: the video.
        fps: its rate.
        n_frames: frames written.
        untouched: stretches of frames that were left as they came, in order.
        cosine: how well the given video fitted the new sound, where an expert was asked.
    """

    outfile: Path
    fps: Fraction
    n_frames: int = 0
    untouched: list[Untouched] = field(default_factory=list)
    cosine: CosineResult | None = None

    def count(self, reason: str | None) -> None:
        """Count one more output frame: synced (None), or untouched for `reason`."""
        frame = self.n_frames
        self.n_frames += 1
        if reason is None:
            return
        last = self.untouched[-1] if self.untouched else None
        if last is not None and last.stop == frame and last.reason == reason:
            self.untouched[-1] = Untouched(last.start, frame + 1, reason)
        else:
            self.untouched.append(Untouched(frame, frame + 1, reason))

    @property
    def n_untouched(self) -> int:
        """Frames that were left as they came."""
        return sum(stretch.stop - stretch.start for stretch in self.untouched)

    def lines(self) -> list[str]:
        """The untouched stretches for a person to read, one a line: times, frames, reason."""
        return [
            f"{clock(s.start / self.fps)} to {clock(s.stop / self.fps)} "
            f"(frames {s.start} to {s.stop - 1}): {s.reason}"
            for s in self.untouched
        ]
