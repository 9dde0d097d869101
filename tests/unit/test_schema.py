"""A command's keys: what fits is taken as it is, what does not is one sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Le

from tests.settings import COMMANDS, settings_of
from w2l.bounds import Count, FileName, Positive, Seconds, Share, Sides, Texts
from w2l.building import Component
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.schema import as_dict, defaults, group, key, keys, read


@dataclass(frozen=True)
class Inner:
    """Keys of a group."""

    n: Count = key(3, "how many")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What it is for."""

    file: FileName | None = key(None, "a file", section="First")
    name: str = key("x", "a name")
    choice: Literal["a", "b"] | None = key(None, "one of two")
    start: Seconds = key(0.0, "where to begin")
    end: Seconds | None = key(None, "where to end")
    n: Count = key(1, "how many")
    share: Share = key(0.5, "how much")
    above: Positive = key(1, "how large")
    grade: Annotated[int, Ge(1), Le(100)] = key(95, "how good")
    box: Sides | None = key(None, "where")
    texts: Texts | None = key(None, "which")
    on: bool = key(True, "whether")
    part: Component = group("does it")
    inner: Inner = key(None, "its own")


BASE = {**defaults(Command), "part": {"_target_": "w2l.faces.FixedBox", "box": [0, 1, 2, 3]}}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("file", ["a"], "file=['a'] must be a path, or null."),
        ("choice", "c", "choice=c is not available: choose a or b."),
        ("choice", True, "choice=true is not available: choose a or b."),
        ("start", "late", "start=late must be seconds."),
        ("start", None, "start=null must be seconds."),
        ("start", float("nan"), "start=nan must be seconds."),
        ("end", float("inf"), "end=inf must be seconds, or null."),
        ("end", True, "end=true must be seconds, or null."),
        ("start", 1e30, "start=1e+30 must be seconds."),
        ("n", 0, "n=0 must be a whole number, 1 or more."),
        ("n", 1.5, "n=1.5 must be a whole number, 1 or more."),
        ("n", True, "n=true must be a whole number, 1 or more."),
        ("n", "3", "n=3 must be a whole number, 1 or more."),
        ("share", 1.1, "share=1.1 must be a number from 0 to 1."),
        ("above", 0, "above=0 must be a number, more than 0."),
        ("grade", 101, "grade=101 must be a whole number from 1 to 100."),
        ("box", 3, "box=3 must be four whole numbers: [top,bottom,left,right], or null."),
        ("box", [1, 2, 3], "box=[1, 2, 3] must be four whole numbers: [top,bottom,left,right], or"),
        ("box", [1, 2, 3, 10**400], "box=[1, 2, 3, 1000"),
        ("texts", {"a": 1}, "texts={'a': 1} must be text, or a list like [a,b], or null."),
        ("on", "maybe", "on=maybe must be true or false."),
        ("on", 1, "on=1 must be true or false."),
        ("inner", {"n": 0}, "inner.n=0 must be a whole number, 1 or more."),
    ],
)
def test_what_does_not_fit_is_one_sentence(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read(Command, BASE | {name: value})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("file", 2024, "2024"),  # a file may be called that
        ("name", float("nan"), "nan"),
        ("choice", "b", "b"),
        ("end", 3, 3),
        ("start", -1e15, -1e15),
        ("box", [1, 2, 3, -1], [1, 2, 3, -1]),
        ("texts", "own", "own"),
        ("texts", ["a"], ["a"]),
        ("part", Component("w2l.faces.CenterFace"), Component("w2l.faces.CenterFace")),
    ],
)
def test_what_fits_is_taken(name: str, value: Any, read_as: Any) -> None:
    assert getattr(read(Command, BASE | {name: value}), name) == read_as


def test_settings_are_what_they_were_read_from() -> None:
    settings = read(Command, BASE)
    assert settings.inner == Inner(3)
    assert settings.part.name == "fixedbox"
    assert as_dict(settings) == BASE | {
        "part": {"_target_": "w2l.faces.FixedBox", "box": (0, 1, 2, 3)}
    }
    assert as_dict(replace(settings, n=2))["n"] == 2


def test_keys_of_others_are_left_alone() -> None:
    assert read(Command, BASE | {"hydra": 1}) == read(Command, BASE)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=[*COMMANDS])
def test_the_defaults_of_every_command_fit(command: type) -> None:
    given = {"video": "x.mp4"} if "video" in keys(command) else {}
    settings_of(command, **given)


def test_a_default_is_nobodys_to_change() -> None:
    first = defaults(Infer)["crop"]
    first.append(1)
    assert defaults(Infer)["crop"] == [0, -1, 0, -1]
