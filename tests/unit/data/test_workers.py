"""Loading processes leave signals to the training process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from torch.utils.data import DataLoader

from w2l.data.workers import sigterm_blocked, start_worker


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_all_processes_ends_no_worker(number: signal.Signals) -> None:
    loader = DataLoader(range(8), num_workers=1, worker_init_fn=start_worker, prefetch_factor=1)
    with sigterm_blocked():
        batches = iter(loader)
    seen = [int(next(batches))]
    (worker,) = batches._workers  # type: ignore[attr-defined]
    # From a third process, as scancel's: a signal of the training process itself is meant.
    subprocess.run([sys.executable, "-c", f"import os; os.kill({worker.pid}, {int(number)})"])
    seen += [int(batch) for batch in batches]
    assert seen == list(range(8))


def test_the_training_process_can_end_it() -> None:
    loader = DataLoader(range(8), num_workers=1, worker_init_fn=start_worker)
    with sigterm_blocked():
        batches = iter(loader)
    next(batches)
    (worker,) = batches._workers  # type: ignore[attr-defined]
    os.kill(worker.pid, signal.SIGTERM)
    worker.join()
    assert worker.exitcode == 0
