"""File names that Hydra's grammar would reject arrive as they were typed."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from tests.settings import COMMANDS
from w2l.cli import hydra_app
from w2l.schema import all_keys

NAMES = [
    "watch?v=x&y", "it's.mp4", "a (1).mp4", "ünïcode.mp4", "~/x", "a#b", "a,b.mp4", "a\\b",
    "a\\'b", "tail\\", "${x}.mp4", "a\\${x}", 'a"b', "-lead.mp4", " sp ace ", "a=b.mp4", "{x}",
    "[1].mp4", "5", "true", "\\\\'", "'half", "*.mp4", "a:b", "C:\\clips\\a.mp4", "",
]  # fmt: skip


def quoted(arguments: list[str], command: str = "infer") -> list[str]:
    return hydra_app.quoted(arguments, COMMANDS[command])


def value_of(argument: str, key: str):
    override = OverridesParser.create().parse_override(argument)
    assert not override.is_sweep_override()
    cfg = OmegaConf.create({})
    OmegaConf.update(cfg, key, override.value())
    return OmegaConf.select(cfg, key)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_survives(name: str) -> None:
    (argument,) = quoted([f"face={name}"])
    assert value_of(argument, "face") == name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_path_key_of_every_command_is_quoted(command: str) -> None:
    """By its type, not by a list of names: what can be a path in a command's file is text."""
    paths = {key.name for key in all_keys(COMMANDS[command]).values() if key.is_file}
    assert paths
    assert (command != "evaluate") or {"video", "syncnet", "output"} <= paths
    assert (command != "train") or {"run_dir", "resume", "init_from", "data.cache_dir"} <= paths
    for key in paths:
        for name in ("outputs/run (1)", "run=1", "a,b", "[x]", "it's", "café", "2024", "a: b"):
            (argument,) = quoted([f"{key}={name}"], command)
            assert value_of(argument, key) == name, key


def test_a_value_that_the_default_computes_may_be_computed() -> None:
    (argument,) = quoted(["run_dir=outputs/${model.width} (1)"], "train")
    assert OmegaConf.create({"a": OverridesParser.create().parse_override(argument).value(),
                             "model": {"width": 2}}).a == "outputs/2 (1)"  # fmt: skip


def test_other_keys_and_literals_stay() -> None:
    arguments = ["fps=25", "box=[1,2,3,4]", "audio=null", "face='done'", "--cfg", "job", "a=b"]
    assert quoted(arguments) == arguments
    given = ["+data.root=a b", "data.root=x", "experiment=wav2lip", "seed=1", "~debug"]
    assert quoted(given, "train") == ["+data.root='a b'", "data.root='x'", *given[2:]]
    assert quoted(["examples=a b", "examples=null"], "app") == ["examples='a b'", "examples=null"]


def test_what_hydra_cannot_read_is_text() -> None:
    """A key of a group, whose type the command's file does not tell."""
    names = ["logger.csv.save_dir=outputs/run (1)", "hydra.run.dir=a=b", "callbacks.x.folder=a,b"]
    for argument, name in zip(quoted(names, "train"), names, strict=True):
        key, _, value = name.partition("=")
        assert value_of(argument, key) == value


def test_a_number_of_a_group_stays_a_number_whatever_it_is_called() -> None:
    """`clips` is a path in one command, and how many in the callbacks of another."""
    given = ["callbacks.lip_report.clips=2", "callbacks.expert_report.clips=2"]
    assert quoted(given, "train") == given


def test_a_key_of_several_types_takes_them_whatever_its_default_is() -> None:
    """`compile` is auto in some experiments and false in others, `trainer.devices` 1 or auto."""
    given = ["compile=false", "compile=auto", "trainer.devices=2", "trainer.devices=[0,1]"]
    assert quoted(given, "train") == given


def test_paths_in_lists_are_quoted_too() -> None:
    (argument,) = quoted(["voices=[it's a (1).wav,'b, c.wav',d.wav]"], "evaluate")
    assert value_of(argument, "voices") == ["it's a (1).wav", "b, c.wav", "d.wav"]
    assert quoted(["box=[1,2,3,4]"], "evaluate") == ["box=[1,2,3,4]"]


def test_a_sweep_goes_over_files() -> None:
    given = ["-m", "init_from=a.ckpt,b.ckpt", "expert=it's.ckpt", "seed=range(1,3)"]
    assert quoted(given, "train") == [*given[:2], "expert='it\\'s.ckpt'", given[3]]
