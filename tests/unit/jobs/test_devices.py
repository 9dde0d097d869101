"""Workers are spread over the GPUs of a machine; how many there are is pretended."""

from __future__ import annotations

import sys

import torch

from w2l.jobs import runner
from w2l.jobs.runner import Devices, _held, gpu_count, take_place


def test_each_worker_takes_a_gpu_of_its_own(tmp_path):
    places = [take_place(tmp_path) for _ in range(3)]
    assert places == [0, 1, 2]
    _held.pop(-2).release()  # a worker died
    assert Devices("auto", str(tmp_path), 2).mine() == "cuda:1"
    assert Devices("cuda", str(tmp_path), 2).mine() == "cuda:1"  # the fourth place, in turn
    assert Devices("cuda:0", str(tmp_path), 2).mine() == "cuda:0"
    assert Devices("auto", None, 2).mine() == "auto"
    assert Devices("auto", str(tmp_path), 1).mine() == "auto"
    Devices.mine.cache_clear()
    while _held:
        _held.pop().release()


def test_gpus_are_counted_where_workers_may_be_spread(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert [gpu_count(name) for name in ("auto", "cuda", "cuda:1", "cpu")] == [3, 3, 0, 0]


def test_without_a_driver_nobody_waits_for_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(runner, "DRIVERS", ("no_such_library.so",))
    assert gpu_count("auto") == 0
    assert "torch" not in sys.modules
