"""`GROUP=FILE` on the command line, and what a group's value may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings import settings_of
from w2l.cli.hydra_app import with_networks
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.schema import components


def test_a_file_is_short_for_the_network_of_its_group(tmp_path: Path) -> None:
    (tmp_path / "restorer").mkdir()
    (tmp_path / "restorer/mine.yaml").touch()

    def written(*arguments: str) -> list[str]:
        return with_networks(arguments, Infer, [tmp_path])

    assert written("face=a.mp4", "restorer=it's (1).onnx") == [
        "face=a.mp4", "restorer=network", r"restorer.path='it\'s (1).onnx'",
    ]  # fmt: skip
    assert written("restorer='a b.onnx'")[1] == "restorer.path='a b.onnx'"
    for stays in ("restorer=null", "restorer=sharpen", "restorer=network", "restorer=mine",
                  "restorer.fidelity=1", "detector=boxes.json", "expert=e.ckpt"):  # fmt: skip
        assert written(stays) == [stays]


def test_the_groups_of_a_command_are_those_of_its_keys() -> None:
    assert set(components(Infer)) == {"restorer", "detector"}
    assert set(components(Evaluate)) == {
        "chain", "clip_judge", "detector", "iqa", "landmarks", "metrics",
    }  # fmt: skip
    with pytest.raises(UserError, match="restorer=3 chooses none of its group"):
        settings_of(Infer, restorer=3)
