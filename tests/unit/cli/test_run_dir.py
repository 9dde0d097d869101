"""A run's folder: nothing in it is overwritten by mistake, and one process writes there."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2l.cli.run_dir import check_free, claimed, holds_run, remove_run
from w2l.errors import UserError


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A folder with a run and something of somebody else's in it."""
    folder = tmp_path / "run"
    for name in ("checkpoints/last.ckpt", "csv/metrics.csv", "samples/1.png", "config.yaml",
                 "uncommitted.diff", "my/notes.txt"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_a_folder_with_a_run_needs_resume_or_overwrite(run_dir: Path, tmp_path: Path) -> None:
    inside, other = run_dir / "checkpoints" / "last.ckpt", tmp_path / "other.ckpt"
    with pytest.raises(UserError, match=r"holds a run: resume=auto goes on .* overwrite=true"):
        check_free(run_dir, None, None, overwrite=False)
    with pytest.raises(UserError, match=r"other\.ckpt is of another, overwrite=true"):
        check_free(run_dir, other, str(other), overwrite=False)
    check_free(run_dir, inside, str(inside), overwrite=False)
    check_free(run_dir, None, "auto", overwrite=False)  # killed before its first checkpoint
    check_free(run_dir, None, None, overwrite=True)
    check_free(run_dir, other, str(other), overwrite=True)
    check_free(tmp_path / "new", None, None, overwrite=False)
    for asked in ("auto", str(inside)):
        with pytest.raises(UserError, match="leave out one of them"):
            check_free(run_dir, inside, asked, overwrite=True)


def test_what_only_began_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    (tmp_path / "checkpoints").mkdir()
    assert not holds_run(tmp_path)
    (tmp_path / "checkpoints" / "best.ckpt").touch()
    assert holds_run(tmp_path)


def test_only_the_run_is_removed(run_dir: Path) -> None:
    remove_run(run_dir)
    assert [path.name for path in run_dir.iterdir()] == ["my"]


def test_a_second_training_is_refused_while_one_is_there(tmp_path: Path) -> None:
    with (
        claimed(tmp_path),
        pytest.raises(UserError, match="another training is writing there"),
        claimed(tmp_path),
    ):
        pass
    with claimed(tmp_path):
        pass
