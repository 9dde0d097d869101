"""Frame rates as exact fractions."""

from __future__ import annotations

from fractions import Fraction

from w2l.errors import UserError

SLOWEST = 0.001
_NTSC_BASES = (24, 30, 48, 60, 120)


def exact_rate(fps: Fraction | float) -> Fraction:
    """A frame rate as an exact fraction; 29.97 and 23.976 mean 30000/1001 and 24000/1001.

    >>> exact_rate(29.97), exact_rate(25)
    (Fraction(30000, 1001), Fraction(25, 1))

    Raises:
        UserError: it is none.
    """
    if not SLOWEST <= fps < float("inf"):
        raise UserError(f"fps={fps} is no frame rate: give frames a second, as 25 or 29.97.")
    if isinstance(fps, float):
        for base in _NTSC_BASES:
            if abs(fps - base / 1.001) < 0.002 * base / 30:
                return Fraction(base * 1000, 1001)
        return Fraction(fps).limit_denominator(1001)
    return Fraction(fps)
