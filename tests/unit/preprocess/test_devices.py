"""Preparation takes all GPUs that there are; their number is pretended."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from preprocess import prepare as module
from preprocess import worker as worker_module
from preprocess.report import Report
from preprocess.settings import Job, Recipe
from preprocess.worker import Worker
from tests.unit.preprocess.clips import good
from w2l.errors import UserError
from w2l.jobs import Outcome
from w2l.jobs.devices import _held, device_of_process


@pytest.mark.parametrize(("n_gpus", "expected"), [(0, None), (1, 8), (2, 16), (4, 20)])
def test_workers_are_told_of_the_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_gpus: int, expected: int | None
) -> None:
    """And there are no more of them than 8 for each, nor than cores."""
    asked: list[int | None] = []
    seen: list[Worker] = []

    class Executor:
        def map(self, function, items, *, initializer):
            seen.append(function)
            assert function.slots is None or Path(function.slots).is_dir()
            yield from (Outcome(item, error="not looked at") for item in items)

    def build(name: str, *, workers: int | None, ray: object) -> Executor:
        asked.append(workers)
        return Executor()

    monkeypatch.setattr(module, "build_executor", build)
    monkeypatch.setattr(module, "gpu_count", lambda device: n_gpus)
    monkeypatch.setattr(module, "available_cores", lambda: 20)
    (tmp_path / "videos/ann").mkdir(parents=True)
    good(tmp_path / "videos/ann/1.mp4", frames=2)
    job = Job("folder", tmp_path / "videos", tmp_path / "out")
    with pytest.raises(UserError, match="None of the clips"):
        module.prepare(job, Recipe(), Report(Console(file=StringIO())))
    assert asked == [expected]
    (worker,) = seen
    assert worker.n_gpus == n_gpus
    assert (worker.slots is not None) == (n_gpus > 1)


def test_a_worker_loads_its_networks_on_its_own_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr("w2l.inference.pick_device", lambda name: name)
    monkeypatch.setattr(worker_module, "_detector", lambda _, device: loaded.append(device))
    for _ in range(3):  # of three processes
        Worker(tmp_path, Recipe(), "auto", 8, str(tmp_path), n_gpus=2).start()
        device_of_process.cache_clear()
    assert loaded == ["cuda:0", "cuda:1", "cuda:0"]
    while _held:
        _held.pop().release()
