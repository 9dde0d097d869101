"""One way to do many items: shares, GPUs (whose number is pretended), and what stops a run."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from preprocess import worker as preparing
from preprocess.settings import Recipe
from preprocess.worker import Worker
from w2l.errors import UserError
from w2l.jobs import Devices, Outcome, RaySettings, Runner, Stop, runner
from w2l.jobs.runner import _held

TOLD = {"console": Console(file=StringIO()), "doing": "squaring", "what": "numbers"}


@dataclass
class Squares:
    devices: Devices

    def __call__(self, number: int) -> int | Stop:
        return Stop("The disk is full.") if number == 3 else number**2


def test_a_stop_ends_the_run_with_its_sentence():
    found = []
    with pytest.raises(UserError, match="The disk is full"):
        found.extend(Runner(engine="serial").run(Squares, range(9), **TOLD))
    done = Runner(engine="serial").run(Squares, range(3), **TOLD)
    assert [outcome.value for outcome in done] == [0, 1, 4]


def test_shares_are_disjoint_and_all():
    items = list(range(7))
    shares = [Runner(shard=n, num_shards=3).share(items) for n in range(3)]
    assert sorted(item for share in shares for item in share) == items
    assert {len(share) for share in shares} == {2, 3}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"shard": 2, "num_shards": 2}, "shard=2 does not exist: num_shards=2 are numbered from 0"),
        ({"engine": "ray", "device": "cuda"}, "device=cuda with engine=ray needs gpus_per_worker"),
    ],
)
def test_values_that_make_no_sense(values, words):
    with pytest.raises(UserError, match=words):
        Runner(**values)


@pytest.mark.parametrize(
    ("n_gpus", "per_gpu", "expected"),
    [(0, 8, None), (1, 8, 8), (2, 8, 16), (4, 8, 20), (2, 1, 2), (4, 0, None)],
)
def test_workers_are_told_of_the_gpus(
    monkeypatch: pytest.MonkeyPatch, n_gpus: int, per_gpu: int, expected: int | None
) -> None:
    """And there are no more of them than `per_gpu` for each, nor than cores."""
    asked, seen = [], []

    class Executor:
        def map(self, function, items, *, initializer):
            assert initializer is None  # it has no start()
            slots = function.devices.slots
            seen.append((function.devices.n_gpus, slots is not None and Path(slots).is_dir()))
            yield from (Outcome(item) for item in items)

    def build(name: str, *, workers: int | None, ray: RaySettings) -> Executor:
        asked.append((workers, ray.gpus_per_worker))
        return Executor()

    monkeypatch.setattr(runner, "build_executor", build)
    monkeypatch.setattr(runner, "gpu_count", lambda device: n_gpus)
    monkeypatch.setattr(runner, "available_cores", lambda: 20)
    given = Runner(ray=RaySettings(gpus_per_worker=0.5))
    assert len(list(given.run(Squares, [1, 2], per_gpu=per_gpu, **TOLD))) == 2
    assert asked == [(expected, 0.5 if per_gpu else 0)]
    assert seen == [(n_gpus if per_gpu else 0, n_gpus > 1 and per_gpu > 0)]


def test_a_worker_loads_its_networks_on_its_own_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr("w2l.inference.pick_device", lambda name: name)
    monkeypatch.setattr(preparing, "_detector", lambda _, device: loaded.append(device))
    for _ in range(3):  # of three processes
        Worker(tmp_path, Recipe(), 8, Devices("auto", str(tmp_path), 2)).start()
        Devices.mine.cache_clear()
    assert loaded == ["cuda:0", "cuda:1", "cuda:0"]
    while _held:
        _held.pop().release()
