"""Loading processes leave signals to the training process."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from fractions import Fraction

import av
import av.filter
import pytest
from torch.utils.data import DataLoader

from w2l.data.loader import forking, start_worker


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_all_processes_ends_no_worker(number: signal.Signals) -> None:
    loader = DataLoader(range(8), num_workers=1, worker_init_fn=start_worker, prefetch_factor=1)
    with forking():
        batches = iter(loader)
    seen = [int(next(batches))]
    (worker,) = batches._workers  # type: ignore[attr-defined]
    # From a third process, as scancel's: a signal of the training process itself is meant.
    subprocess.run([sys.executable, "-c", f"import os; os.kill({worker.pid}, {int(number)})"])
    seen += [int(batch) for batch in batches]
    assert seen == list(range(8))


def test_the_training_process_can_end_it() -> None:
    loader = DataLoader(range(8), num_workers=1, worker_init_fn=start_worker)
    with forking():
        batches = iter(loader)
    next(batches)
    (worker,) = batches._workers  # type: ignore[attr-defined]
    os.kill(worker.pid, signal.SIGTERM)
    worker.join()
    assert worker.exitcode == 0


class Collects:
    """Samples whose loading finds garbage."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        return gc.collect()


def test_garbage_of_the_training_process_is_not_collected_in_a_loading_one() -> None:
    """A filter graph's threads are not forked, and freeing it waits for them."""
    graph = av.filter.Graph()
    graph.threads = 2
    source = graph.add_buffer(width=64, height=64, format="yuv420p", time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("yadif"), graph.add("buffersink")).configure()
    frame = av.VideoFrame(64, 64, "yuv420p")
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    graph.push(frame)
    circle = [graph]
    circle.append(circle)
    del graph, source, circle
    with forking():
        batches = iter(DataLoader(Collects(), num_workers=1, worker_init_fn=start_worker))
    next(batches)
