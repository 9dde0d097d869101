"""A lock file holds others up while its holder lives, and goes with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from w2l import lock
from w2l.errors import UserError
from w2l.lock import only_process


def test_the_file_goes_with_its_holder(tmp_path: Path) -> None:
    with only_process(tmp_path / "run", "taken"):
        with pytest.raises(UserError, match="taken"), only_process(tmp_path / "run", "taken"):
            pass
        assert (tmp_path / ".run.lock").is_file()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="an open file stays there")
def test_a_file_that_was_removed_meanwhile_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, removed = lock._taken, []

    def taken(file: object) -> bool:
        if not removed:  # the holder ends between this process's opening and its locking
            removed.append((tmp_path / ".run.lock").unlink())
        return take(file)  # type: ignore[arg-type]

    monkeypatch.setattr(lock, "_taken", taken)
    with only_process(tmp_path / "run", "taken"):
        monkeypatch.undo()
        with pytest.raises(UserError, match="taken"), only_process(tmp_path / "run", "taken"):
            pass
