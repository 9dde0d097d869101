"""What a sync tells its user afterwards: which frames it left untouched, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from w2l.inference.provenance import Computed
from w2l.inference.silence import NO_VOICE
from w2l.scoring import CosineResult


def clock(seconds: float | Fraction) -> str:
    """Seconds as minutes and seconds.

    >>> clock(83.5)
    '1:23.50'
    """
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


@dataclass(frozen=True)
class Stretch:
    """Output frames start … stop - 1, and why they are not synced."""

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
        closed: stretches whose mouth was generated for silence, in order.
        notes: what is to be known of the sound and of the mouths, a sentence each.
        computed: how the faces were generated; None: none were.
        cosine: how well the given video fitted the new sound, where an expert was asked.
        judged: how well the result's lips fit it, in its first minute; None: nobody could say.
    """

    outfile: Path
    fps: Fraction
    n_frames: int = 0
    untouched: list[Stretch] = field(default_factory=list)
    closed: list[Stretch] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    computed: Computed | None = None
    cosine: CosineResult | None = None
    judged: CosineResult | None = None

    def count(self, reason: str | None, closed: bool = False) -> None:
        """Count one more output frame.

        Args:
            reason: why it is untouched; None where it was synced.
            closed: its mouth, where it was synced, was generated for silence.
        """
        if reason is not None:
            _extend(self.untouched, self.n_frames, reason)
        elif closed:
            _extend(self.closed, self.n_frames, NO_VOICE)
        self.n_frames += 1

    @property
    def n_untouched(self) -> int:
        """Frames that were left as they came."""
        return sum(stretch.stop - stretch.start for stretch in self.untouched)

    def lines(self) -> list[str]:
        """The untouched stretches for a person to read, one a line: times, frames, reason."""
        return self._lines(self.untouched)

    def closed_lines(self) -> list[str]:
        """The stretches of closed mouths, as `lines`."""
        return self._lines(self.closed)

    def _lines(self, stretches: list[Stretch]) -> list[str]:
        return [
            f"{clock(s.start / self.fps)} to {clock(s.stop / self.fps)} "
            f"(frames {s.start} to {s.stop - 1}): {s.reason}"
            for s in stretches
        ]


def _extend(stretches: list[Stretch], frame: int, reason: str) -> None:
    """Put one more frame into the last stretch, or into a new one."""
    last = stretches[-1] if stretches else None
    if last is not None and last.stop == frame and last.reason == reason:
        stretches[-1] = Stretch(last.start, frame + 1, reason)
    else:
        stretches.append(Stretch(frame, frame + 1, reason))
