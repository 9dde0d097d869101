"""Everything in this process, one item after the other: for debugging and tiny sets."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

from w2l.engine.outcome import Outcome, attempt


class SerialExecutor:
    """See `w2l.engine.Executor`. A crash here takes the whole run down."""

    def map(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        initializer: Callable[[], object] | None = None,
    ) -> Generator[Outcome, None, None]:
        """Yield the outcomes in the order of the items."""
        for number, item in enumerate(items):
            if number == 0 and initializer is not None:
                initializer()
            yield attempt(function, item)
