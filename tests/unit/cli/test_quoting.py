"""File names that Hydra's grammar would reject arrive as they were typed."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from w2l.cli.quoting import quote_paths

NAMES = [
    "watch?v=x&y", "it's.mp4", "a (1).mp4", "ünïcode.mp4", "~/x", "a#b", "a,b.mp4", "a\\b",
    "a\\'b", "tail\\", "${x}.mp4", "a\\${x}", 'a"b', "-lead.mp4", " sp ace ", "a=b.mp4", "{x}",
    "[1].mp4", "5", "true", "\\\\'", "'half", "*.mp4", "a:b", "C:\\clips\\a.mp4", "",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_survives(name: str) -> None:
    (argument,) = quote_paths([f"face={name}"])
    override = OverridesParser.create().parse_override(argument)
    assert not override.is_sweep_override()
    cfg = OmegaConf.create({})
    OmegaConf.update(cfg, "face", override.value())
    assert cfg.face == name


def test_other_keys_and_literals_stay() -> None:
    arguments = ["fps=25", "box=[1,2,3,4]", "audio=null", "face='done'", "--cfg", "job", "a=b,c"]
    assert quote_paths(arguments) == arguments
    assert quote_paths(["+data.root=a b", "data.root=x"]) == ["+data.root='a b'", "data.root='x'"]
    assert quote_paths(["examples=a b", "examples=null"]) == ["examples='a b'", "examples=null"]


def test_a_sweep_goes_over_files() -> None:
    assert quote_paths(["-m", "init_from=a.ckpt,b.ckpt", "expert=it's.ckpt"]) == [
        "-m", "init_from=a.ckpt,b.ckpt", "expert='it\\'s.ckpt'",
    ]  # fmt: skip
