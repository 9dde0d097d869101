"""Which checkpoint of a run is the newest that can be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from w2l.checkpoints.states import newest_state
from w2l.cli.run_dir import find_state
from w2l.errors import UserError


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run with three numbered checkpoints, last.ckpt a link to the third, and an older best."""
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    for age, name in enumerate(["update-0000003", "update-0000002", "update-0000001", "best"]):
        path = folder / f"{name}.ckpt"
        torch.save({"state_dict": {"x": torch.rand(5000)}, "optimizer_states": []}, path)
        os.utime(path, (1e9 - age, 1e9 - age))
    os.link(folder / "update-0000003.ckpt", folder / "last.ckpt")
    return tmp_path / "run"


def damage(path: Path, how: str) -> None:
    """In place, as a disk does, so that links to it are damaged too."""
    size, modified = path.stat().st_size, path.stat().st_mtime
    with path.open("r+b") as file:
        if how == "cut off":
            file.truncate(size // 2)
        elif how == "empty":
            file.truncate(0)
        else:
            file.seek(size // 2)
            file.write(b"\0" * 64)
    os.utime(path, (modified, modified))


def test_the_newest_is_taken_without_a_word(run_dir: Path) -> None:
    newest = run_dir / "checkpoints" / "update-0000003.ckpt"
    assert newest_state(run_dir, pytest.fail) == newest
    assert newest_state(run_dir / "checkpoints", pytest.fail) == newest
    assert find_state("auto", run_dir, pytest.fail) == newest
    assert find_state(str(run_dir), Path("x"), pytest.fail) == newest
    assert find_state(None, run_dir, pytest.fail) is None


@pytest.mark.parametrize("how", ["cut off", "empty", "overwritten"])
@pytest.mark.parametrize("asked", ["auto", "folder", "last.ckpt"])
def test_a_damaged_newest_falls_back_with_a_warning(how: str, asked: str, run_dir: Path) -> None:
    folder = run_dir / "checkpoints"
    damage(folder / "update-0000003.ckpt", how)
    resume = {"auto": "auto", "folder": str(run_dir), "last.ckpt": str(folder / "last.ckpt")}
    warnings: list[str] = []
    assert find_state(resume[asked], run_dir, warnings.append) == folder / "update-0000002.ckpt"
    (warning,) = warnings
    assert warning.startswith(str(folder / "update-0000003.ckpt"))


def test_where_links_are_copies_the_copy_is_taken(run_dir: Path) -> None:
    folder = run_dir / "checkpoints"
    content = (folder / "last.ckpt").read_bytes()
    (folder / "last.ckpt").unlink()
    (folder / "last.ckpt").write_bytes(content)
    damage(folder / "update-0000003.ckpt", "cut off")
    assert newest_state(run_dir, lambda _: None) == folder / "last.ckpt"


def test_nothing_to_read_is_one_sentence(run_dir: Path) -> None:
    for path in (run_dir / "checkpoints").glob("*.ckpt"):
        damage(path, "empty")
    warnings: list[str] = []
    with pytest.raises(UserError, match="None of the 4 checkpoints in"):
        find_state("auto", run_dir, warnings.append)
    assert len(warnings) == 4


def test_a_damaged_file_that_was_named_is_an_error(run_dir: Path) -> None:
    path = run_dir / "checkpoints" / "update-0000002.ckpt"
    damage(path, "overwritten")
    with pytest.raises(UserError, match="damaged or cut off"):
        find_state(str(path), run_dir, pytest.fail)


def test_auto_starts_anew_where_there_is_nothing(tmp_path: Path) -> None:
    assert find_state("auto", tmp_path / "none", pytest.fail) is None
