"""A process's memory is its own."""

from __future__ import annotations

import numpy as np

from benchmarks.inference import in_process
from benchmarks.resident import peak_resident


def test_what_the_parent_holds_does_not_count():
    mine = np.ones(300_000_000, np.uint8)
    assert peak_resident() > mine.nbytes
    assert in_process(peak_resident) < peak_resident() - mine.nbytes / 2
