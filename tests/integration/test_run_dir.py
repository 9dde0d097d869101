"""`train.py` on a `run_dir` that holds a run, and on a disk that is full."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from w2l.checkpoints import read
from w2l.cli.run_dir import WRITTEN
from w2l.cli.train import main


def test_no_run_is_overwritten(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_dir = tmp_path / "run"
    values = ["experiment=syncnet", "debug=fast", "model.width=0.0625", "model.image_size=48",
              f"data.root={prepared}", f"run_dir={run_dir}"]  # fmt: skip

    def train(*more: str) -> None:
        monkeypatch.setattr(sys, "argv", ["train.py", *values, *more])
        main()

    def files() -> dict[str, bytes]:
        found = (path for path in run_dir.rglob("*") if path.is_file())
        return {str(path.relative_to(run_dir)): path.read_bytes() for path in found}

    train()
    first = files()
    written = {name.partition("/")[0] for name in first}
    assert written <= {*WRITTEN, ".train.lock", "train.log"}, "overwrite=true would leave something"
    with pytest.raises(SystemExit) as left:
        train("max_updates=1")
    assert left.value.code == 1
    assert "holds a run: resume=auto" in capsys.readouterr().err
    assert files() == first
    train("max_updates=1", "overwrite=true")
    assert (run_dir / "checkpoints" / "update-0000001.ckpt").is_file()
    assert not (run_dir / "checkpoints" / "update-0000002.ckpt").exists()
    assert not (run_dir / "validation").exists(), "of the run before"


def test_a_data_module_of_ones_own_trains(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = ["experiment=syncnet", "debug=fast", "model.width=0.0625", "model.image_size=48",
              f"data.root={prepared}", f"run_dir={tmp_path / 'run'}",
              "~data.batch_size",  # it has one of its own
              "data._target_=tests.integration.own_data.OwnData"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["train.py", *values])
    main()
    assert read(tmp_path / "run" / "checkpoints" / "last.ckpt").speakers is None


def test_a_full_disk_is_named(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save = torch.save

    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", lambda content, file: save(content, Full()))
    values = ["experiment=syncnet", "debug=fast", "model.width=0.0625", "model.image_size=48",
              f"data.root={prepared}", f"run_dir={tmp_path / 'run'}"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["train.py", *values])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: No space is left for ")
    assert "update-0000001.ckpt" in error
