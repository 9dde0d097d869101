"""An expert scored as one command."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.writing import save_network
from w2l.cli.evaluate import main
from w2l.cli.evaluate_expert import chosen_clips, report, training_clips
from w2l.data.storage import Storage
from w2l.models import Expert


def similarities(own: float, others: float, offset: int = 0, n: int = 40) -> np.ndarray:
    """Windows whose sound fits best `offset` frames earlier, by a hair of noise."""
    matrix = np.random.default_rng(1).normal(others, 0.01, (n, n)).astype(np.float32)
    index = np.arange(n)
    at = index - offset
    inside = (at >= 0) & (at < n)
    matrix[index[inside], at[inside]] = own
    return matrix


def test_the_worst_speaker_stands_first() -> None:
    held_out = [("good", similarities(0.9, 0.1)), ("late", similarities(0.9, 0.1, 6))]
    got = report(held_out, [("x", similarities(0.8, 0.0))], "val")
    assert [row["speaker"] for row in got["speakers"]] == ["late", "good"]
    late, good = got["speakers"]
    assert (good["pair_accuracy"], good["balanced_accuracy"], good["offset_within_1"]) == (1, 1, 1)
    assert late["pair_accuracy"] < 0.7
    assert (late["offset_within_1"], abs(late["offset"])) == (0, 6)
    assert got["offset_within_1"] == 0.5
    assert got["threshold_from"] == "train"
    assert 0.5 < got["roc"]["auc"] < 1
    assert report(held_out[:1], [], "val")["threshold_from"] == "val itself"


def test_test_comes_before_val_and_the_threshold_from_training(prepared: Path) -> None:
    storage = Storage(str(prepared))
    split, clips = chosen_clips(storage, None)
    assert (split, len(clips)) == ("test", 2)
    assert chosen_clips(storage, "val")[0] == "val"
    assert len(training_clips(storage, "test", 2)) == 4
    assert list(training_clips(storage, "train", 2)) == []


def test_one_command_writes_and_shows_the_numbers(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    torch.manual_seed(0)
    file = save_network(Expert(width=1 / 16), "expert", tmp_path / "expert.ckpt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys,
        "argv",
        ["evaluate.py", f"data={prepared}", f"expert={file}", "output=e.json", "device=cpu"],
    )
    main()
    got = json.loads(Path("e.json").read_text())
    assert (got["split"], got["n_clips"], len(got["speakers"])) == ("test", 2, 2)
    assert 0.2 < got["pair_accuracy"] < 0.8, "it has learned nothing"
    with Path("e.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["speaker"] for row in rows] == [row["speaker"] for row in got["speakers"]]
    assert Path("e.png").stat().st_size > 5000
    assert "fitted on train" in capsys.readouterr().out
