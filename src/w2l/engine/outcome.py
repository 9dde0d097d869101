"""What became of one item."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What became of one item: a value, or the reason why there is none.

    Attributes:
        item: what was handed in.
        value: what the function returned; None after an error.
        error: one line, `TypeName: message`; None where all went well.
        trace: the traceback, for a developer; empty where there is none.
        crashed: the worker process died (out of memory, a fault in a decoder).
    """

    item: Any
    value: Any = None
    error: str | None = None
    trace: str = ""
    crashed: bool = False

    @property
    def ok(self) -> bool:
        """True where the function returned."""
        return self.error is None


def attempt(function: Callable[[Any], Any], item: Any) -> Outcome:
    """Call `function(item)`; an exception becomes the outcome's error."""
    try:
        return Outcome(item, value=function(item))
    except Exception as error:
        # One bad file must not end a run over a thousand: the error is kept, with its trace.
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome(item, error=message, trace=traceback.format_exc())
