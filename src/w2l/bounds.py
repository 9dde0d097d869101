"""Types of values with their bounds and units: what fits one, and how it is named in a sentence."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

from w2l.errors import either

SWITCH, NUMBER, TEXT = "true or false", "a number", "text"
LIST, GROUP = "a list like [a,b]", "a group of keys"
LARGEST = 1e15  # more than anything that is counted here, and exact as a float


@dataclass(frozen=True)
class Says:
    """What stands for a type in help and messages."""

    text: str


class _IsFile:
    """Marks text that names a file, which a list of jobs may name relative to itself."""


FileName = Annotated[str, _IsFile(), Says("a path")]
Weights = Annotated[str, _IsFile(), Says("a path or a registry name")]
Seconds = Annotated[float, Says("seconds")]
Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Sides = Annotated[
    list[int], MinLen(4), MaxLen(4), Says("four whole numbers: [top,bottom,left,right]")
]
Size = Annotated[list[int], MinLen(2), MaxLen(2), Says("two whole numbers: [width,height]")]
Texts = str | list[str]  # one alone needs no brackets


def wanted(hint: Any) -> str:
    """A type in words: "a whole number, 1 or more, or null"."""
    return ", or ".join(dict.fromkeys(_phrase(option) for option in options(hint)))


def kinds(hint: Any) -> tuple[str, ...]:
    """What may be written for a value of a type, null aside."""
    return tuple(dict.fromkeys(kind for option in options(hint) for kind in _kind(option)))


def is_file(hint: Any) -> bool:
    """Whether a value of a type names a file."""
    return any(isinstance(each, _IsFile) for o in options(hint) for each in _notes(o))


def shown(value: Any) -> str:
    """A value as it is written on the command line."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def _adapter(hint: Any) -> Any:
    """Pydantic's check of a type, made once: a batch has thousands of values."""
    from pydantic import ConfigDict, TypeAdapter  # --help does without

    return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False))


def fits(hint: Any, value: Any) -> bool:
    """Whether a value is of a type, within its bounds."""
    from pydantic import ValidationError

    try:
        _adapter(hint).validate_python(value)
    except ValidationError:
        return False
    numbers = value if isinstance(value, list) else [value]
    return all(abs(n) <= LARGEST for n in numbers if isinstance(n, int | float))


def options(hint: Any) -> Sequence[Any]:
    """The members of a union, or the hint alone."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def is_plain(option: Any) -> bool:
    """Whether a type is one of YAML's, choices or a path among them, whose values are checked."""
    plain = {bool, int, float, str, Path, type(None)}
    bare = _bare(option)
    return typing.get_origin(bare) is Literal or (typing.get_origin(bare) is None and bare in plain)


def _notes(option: Any) -> Sequence[Any]:
    return option.__metadata__ if typing.get_origin(option) is Annotated else ()


def _bare(option: Any) -> Any:
    return typing.get_args(option)[0] if typing.get_origin(option) is Annotated else option


def _kind(option: Any) -> Iterator[str]:
    bare = _bare(option)
    if typing.get_origin(bare) is Literal:
        for value in typing.get_args(bare):
            yield TEXT if isinstance(value, str) else NUMBER
    elif bare is bool:
        yield SWITCH
    elif bare in (int, float):
        yield NUMBER
    elif bare in (str, Path):
        yield TEXT
    elif bare is list or typing.get_origin(bare) is list:
        yield LIST
    elif bare is not type(None):
        yield GROUP


def _phrase(option: Any) -> str:
    bare, notes = _bare(option), _notes(option)
    said = [note.text for note in notes if isinstance(note, Says)]
    if typing.get_origin(bare) is Literal:
        return either([shown(value) for value in typing.get_args(bare)])
    names = {
        bool: SWITCH, int: "a whole number", float: NUMBER, str: TEXT, type(None): "null",
    }  # fmt: skip
    is_list = typing.get_origin(bare) is list
    phrase = said[0] if said else names.get(bare, LIST if is_list else GROUP)
    return phrase if is_list else phrase + _bounds(notes)


def _bounds(notes: Sequence[Any]) -> str:
    least = next((note.ge for note in notes if isinstance(note, Ge)), None)
    most = next((note.le for note in notes if isinstance(note, Le)), None)
    above = next((note.gt for note in notes if isinstance(note, Gt)), None)
    below = next((note.lt for note in notes if isinstance(note, Lt)), None)
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f", {least} or more"
    if above is not None:
        return f", more than {above}" + ("" if below is None else f" and less than {below}")
    return "" if most is None else f", {most} or less"
