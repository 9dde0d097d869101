"""Every key of a tree says what it is; those of the other commands do so in their dataclasses."""

from __future__ import annotations

import re

import pytest

from w2l.building import CONFIG_DIR

COMMANDS = ("benchmarks",)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_has_a_comment(command: str) -> None:
    text = (CONFIG_DIR / f"{command}.yaml").read_text("utf-8").partition("\nhydra:")[0]
    keys = re.findall(r"^(\w+):(.*)$", text, re.MULTILINE)
    assert keys[0][0] == "defaults"
    assert [key for key, rest in keys[1:] if "#" not in rest] == []
