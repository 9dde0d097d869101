"""`precision=auto runtime=auto`: the quickest that is faithful, tried once."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.writing import save_network
from w2l import trials
from w2l.inference import build_generator, fastest
from w2l.inference.fastest import Choice
from w2l.models import Generator

BF16, FLOAT = "torch/bfloat16/", "torch/float32/"
PLAIN = Choice("torch", "float32")


class Tries(list[list[str]]):
    """What was tried."""

    db = 60.0


def numbers(times: float, db: float = 60.0) -> dict[str, float]:
    return {"times": times, "db": db}


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ({}, PLAIN),
        ({BF16: numbers(1.08)}, PLAIN),
        ({BF16: numbers(1.8)}, Choice("torch", "bfloat16")),
        ({BF16: numbers(1.8, 44.9)}, PLAIN),
        ({BF16: None}, PLAIN),
        ({BF16: numbers(1.8), "openvino/bfloat16/": numbers(2.0)}, Choice("torch", "bfloat16")),
        ({BF16: numbers(1.2), "openvino/bfloat16/": numbers(2.0)}, Choice("openvino", "bfloat16")),
        ({"torch/float32/whole": numbers(1.2)}, PLAIN),
        ({"torch/float32/whole": numbers(1.3)}, Choice("torch", "float32", False)),
    ],
)
def test_the_quickest_that_is_faithful_is_taken(found: trials.Found, chosen: Choice) -> None:
    assert fastest.best(found, PLAIN) == chosen


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tries:
    """Each is twice as quick in bfloat16, on a machine of its own."""
    asked = Tries()

    def try_out(module: str, arguments: list[str], names: list[str]) -> trials.Found:
        asked.append(list(names))
        return {name: numbers(2.0 if "bfloat16" in name else 1.0, asked.db) for name in names}

    monkeypatch.setattr(trials, "try_out", try_out)
    monkeypatch.setattr(fastest, "_runtimes", list)
    monkeypatch.setenv("W2L_TRIALS", "1")
    monkeypatch.setenv("W2L_MACHINE_DIR", str(tmp_path / "machine"))
    return asked


def saved(path: Path, width: float = 0.25, size: int = 96) -> Path:
    torch.manual_seed(len(path.name))
    return save_network(Generator(width=width, image_size=size), "generator", path)


def test_each_shape_is_timed_once_and_each_file_looked_at_once(
    tries: Tries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    first = saved(tmp_path / "a.ckpt")
    chosen = fastest.fastest(first, "cpu")
    assert chosen.precision == "bfloat16"
    assert tries[0][0] == BF16
    assert "Trying once how a.ckpt is computed quickest" in capsys.readouterr().err
    monkeypatch.setattr(fastest, "read", None)  # from now on not even the file is read
    assert fastest.fastest(first, "cpu") == chosen
    assert len(tries) == 1


def test_a_second_file_is_only_looked_at(tries: Tries, tmp_path: Path) -> None:
    chosen = fastest.fastest(saved(tmp_path / "a.ckpt"), "cpu")
    assert fastest.fastest(saved(tmp_path / "second.ckpt"), "cpu") == chosen
    assert tries[1] == [str(chosen)]
    assert fastest.fastest(tmp_path / "a.ckpt", "cpu", precision="float32") == PLAIN
    assert not [name for each in tries[2:] for name in each if "bfloat16" in name]


@pytest.mark.parametrize(("threads", "other"), [(1, None), (2, "whole"), (16, "spread")])
def test_other_threads_are_tried_beside_those_by_default(
    threads: int, other: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as fake:
        fake.setattr(torch, "get_num_threads", lambda: threads)
        fake.setattr(fastest, "_runtimes", lambda: ["openvino"])
        names = [str(each) for each in fastest.candidates("cpu")]
    torchs = [BF16, *(f"torch/{each}/{other}" for each in ("bfloat16", "float32") if other)]
    assert names == [*torchs, "openvino/float32/", "openvino/bfloat16/"]


def test_weights_that_bfloat16_changes_stay_in_float32_alone(tries: Tries, tmp_path: Path) -> None:
    tries.db = 40
    assert fastest.fastest(saved(tmp_path / "far.ckpt"), "cpu") == PLAIN
    tries.db = 60
    assert fastest.fastest(saved(tmp_path / "near.ckpt"), "cpu").precision == "bfloat16"
    assert fastest.fastest(tmp_path / "far.ckpt", "cpu") == PLAIN
    assert len(tries) == 2


def test_what_another_process_tried_is_taken(
    tries: Tries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, alone = saved(tmp_path / "g.ckpt"), trials.alone

    def while_another_tries(facts: trials.Facts) -> ExitStack:
        with monkeypatch.context() as there:
            there.setattr(trials, "alone", alone)
            fastest.fastest(path, "cpu")
        return alone(facts)

    monkeypatch.setattr(trials, "alone", while_another_tries)
    assert fastest.fastest(path, "cpu").precision == "bfloat16"
    assert len(tries) == 1


def test_a_gpu_is_tried_by_its_name(
    tries: Tries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"cuda:0": "T4", "cuda:1": "H200"}
    monkeypatch.setattr(fastest, "pick_device", torch.device)
    monkeypatch.setattr(torch.cuda, "get_device_name", names.get)
    path = saved(tmp_path / "g.ckpt")
    for device in names:
        assert fastest.fastest(path, device) == Choice("torch", "bfloat16")
    assert tries == [[BF16]] * 2
    assert fastest.fastest(path, "cuda:1") == Choice("torch", "bfloat16")
    assert len(tries) == 2


def test_what_takes_no_time_is_not_tried(tries: Tries, tmp_path: Path) -> None:
    """The frozen frames are of such a generator."""
    narrow = saved(tmp_path / "narrow.ckpt", 1 / 16, 48)
    assert build_generator(narrow, device="cpu").computed == ("float32", "torch")
    assert not tries


def test_the_trial_prints_what_is_compared(tmp_path: Path, capsys) -> None:
    path = saved(tmp_path / "g.ckpt", 1 / 8, 48)
    fastest.measure(path, "cpu", [FLOAT, BF16])
    same, other = map(json.loads, capsys.readouterr().out.splitlines())
    assert same["db"] == pytest.approx(108.1, abs=0.1)  # no difference
    assert 45 < other["db"] < 100
    assert min(same["times"], other["times"]) > 0


def test_bfloat16_of_a_cpu_is_near_float32(tmp_path: Path) -> None:
    """Within two levels nearly everywhere, with weights of half the size, on any processor."""
    path = saved(tmp_path / "g.ckpt", 1 / 8, 48)
    faces, mels = fastest.example(3, 48)
    plain = build_generator(path, device="cpu", precision="float32")
    other = build_generator(path, device="cpu", precision="bfloat16")
    assert other.computed == ("bfloat16", "torch")
    assert {each.dtype for each in other.generator.parameters()} == {torch.bfloat16}
    levels = np.abs(plain(faces, mels).astype(int) - other(faces, mels))
    assert 0 < levels.max() <= 4
    assert (levels > 2).mean() < 0.01
