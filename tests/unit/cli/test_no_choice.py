"""Nothing, or a wrong argument, of a group of components is answered in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.settings import COMMANDS
from w2l.building import CONFIG_DIR
from w2l.cli.help import groups
from w2l.cli.hydra_app import run, without_nulls
from w2l.errors import UserError

GROUPS = [
    (command, group, default)
    for name, command in COMMANDS.items()
    for group, default in groups(CONFIG_DIR / f"{name}.yaml").items()
]


@pytest.mark.parametrize(("command", "group", "default"), GROUPS)
def test_nothing_is_chosen_where_nothing_is_the_default(
    command: Any, group: str, default: str | None
) -> None:
    given = [f"{group}=null", "device=cpu"]
    if default is None:
        assert without_nulls(given, command, []) == ["device=cpu"]
        return
    with pytest.raises(UserError, match=f"^{group}=null chooses nothing: choose [a-z]"):
        without_nulls(given, command, [])


def test_a_wrong_argument_is_answered_from_what_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/mine.yaml").write_text("_target_: pathlib.Path\nonly: 3\n")
    given = ["source=mine", "source.onyl=3", "--config-dir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["preprocess", *given])
    with pytest.raises(SystemExit):
        run(lambda settings: None, COMMANDS["preprocess"])
    assert "'source.onyl': did you mean 'source.only'?" in capsys.readouterr().err
