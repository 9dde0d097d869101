"""Waiting for what will be, not for seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

FOR_EVER = 600.0  # seconds, where something must be given: far beyond what a slow machine takes


def wait_until(condition: Callable[[], object]) -> None:
    """Look again and again; what never comes true fails in the end."""
    end = time.monotonic() + FOR_EVER
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
