"""All comparisons in one run: what the files hold, and the table that is made from them."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from rich.console import Console

from benchmarks import limits, overview
from benchmarks.keys import RUNS
from benchmarks.turns import row, spread
from w2l.errors import UserError

QUIET = Console(file=io.StringIO())
MACHINE = {
    "processor": "A Xeon",
    "threads": 2,
    "gflop_per_s": {"float32": 100.0, "bfloat16": 200.0},
}
ROW = row(
    "syncing", "frames/s", {"published": [2, 1, 3], "same": [4.0], "ours": [10, 12, 11.0]},
    share=0.456, memory_gb=0.912, told="in bfloat16",
)  # fmt: skip
LINE = (
    "| syncing, frames/s | 2 (1–3) | 4 (4–4), **2.00 ×** | 11 (10–12), **5.50 ×** (in bfloat16) "
    "| 46 % | 0.91 GB |"
)


def test_the_table_is_made_from_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{overview.BEGIN}\nold\n{overview.END}\nafter\n")
    runs = {"second": ["name=second", "threads=2"], "first": ["name=first"]}
    keys = {"out": str(tmp_path), "page": str(page), "only": None, "runs": runs}
    cfg = OmegaConf.create({"overview": keys})
    asked = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        asked.append(command[3:])
        return SimpleNamespace(
            returncode=0, stdout=f"words\n{json.dumps({'ratio': 5, 'threads': 2, 'rows': [ROW]})}\n"
        )

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(overview, "machine", lambda threads: MACHINE | {"threads": threads})
    assert overview.measure(cfg, QUIET)["ratios"] == {"second": 5, "first": 5}
    assert asked == [["name=second", "threads=2"], ["name=first"]]
    cfg.overview.runs = runs | {"second_1": ["name=third"]}
    for only in ("second_1", ["second_1"]):
        cfg.overview.only = only
        assert overview.measure(cfg, QUIET)["ratios"] == {"second_1": 5}
    cfg.overview.only = "thrid"
    with pytest.raises(UserError, match="there is no thrid; there are second, first, second_1"):
        overview.measure(cfg, QUIET)
    cfg = OmegaConf.create({"overview": keys})
    held = json.loads((tmp_path / "second.json").read_text())
    assert held["command"] == "python -m benchmarks name=second threads=2"
    assert held["machine"] == MACHINE
    overview.write_table(cfg, QUIET)
    text = page.read_text()
    assert text.count(LINE) == 2
    rates = "100 (100–100) GFLOP/s float32, 200 (200–200) GFLOP/s bfloat16"
    assert f"A Xeon, 2 thread(s): {rates} (20" in text
    assert (text[:7], text[-6:]) == ("before\n", "after\n")
    assert "old" not in text
    with pytest.raises(UserError, match="no place for the table"):
        overview.with_table("nothing", [])


def test_the_page_holds_what_its_files_say() -> None:
    """`python -m benchmarks name=table overview.out=docs/results/speed` was run."""
    page = overview.ROOT / "docs/performance.md"
    results = overview.read(overview.ROOT / "docs/results/speed", RUNS)
    assert results
    assert overview.with_table(page.read_text(), results) == page.read_text()


def test_limits_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SIDE", 64)
    monkeypatch.setattr(limits, "COPIED", 2**16)
    for measured in (limits.matrix_rate, limits.memory_rate):
        measured.cache_clear()
    before = torch.get_num_threads()
    told = limits.machine(1)
    for measured in (limits.matrix_rate, limits.memory_rate):
        measured.cache_clear()
    assert torch.get_num_threads() == before
    assert min(*told["gflop_per_s"].values(), told["memory_gb_per_s"]) > 0
    assert limits.flops(lambda: torch.rand(2, 3) @ torch.rand(3, 4)) == 2 * 2 * 3 * 4
    assert spread([3, 1, 2.004]) == {"median": 2.0, "least": 1, "most": 3}
