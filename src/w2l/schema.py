"""The keys of a command: a dataclass whose fields say all that there is to know of each.

A field's annotation is the key's type, with its bounds and unit; `key` gives its default and its
meaning. From these come the values' check, the quoting of the command line, `--help`, and the typed
object that the command works with, so that nothing is written twice.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Hashable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

from w2l.building import Component
from w2l.errors import UserError, either

SWITCH, NUMBER, TEXT = "true or false", "a number", "text"
LIST, GROUP = "a list like [a,b]", "a group of keys"
REQUIRED = "???"  # the default of a key that has to be given
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
Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
Sides = Annotated[
    list[int], MinLen(4), MaxLen(4), Says("four whole numbers: [top,bottom,left,right]")
]
Texts = str | list[str]  # one alone needs no brackets
Group = dict[str, Any]  # of a component, or of several

T = TypeVar("T")


@dataclass(frozen=True)
class Key:
    """One key of a command.

    Attributes:
        name: as it is written on the command line.
        hint: its type, with bounds.
        default: its value where nobody sets it; `REQUIRED`: there is none.
        help: what it means.
        section: the heading that begins with it; "": that of the key before.
    """

    name: str
    hint: Any
    default: Any
    help: str
    section: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """What may be written for it, null aside."""
        return tuple(
            dict.fromkeys(kind for option in _options(self.hint) for kind in _kind(option))
        )

    @property
    def is_file(self) -> bool:
        """Whether it names a file."""
        return any(isinstance(each, _IsFile) for o in _options(self.hint) for each in _notes(o))

    @property
    def choices(self) -> tuple[Any, ...]:
        """Its values, where only some are possible."""
        options = [option for option in _options(self.hint) if option is not type(None)]
        if not all(typing.get_origin(option) is Literal for option in options):
            return ()
        return tuple(value for option in options for value in typing.get_args(option))

    @property
    def is_component(self) -> bool:
        """Whether its value is what a group of configs chooses."""
        return self.hint == Group or Component in _options(self.hint)

    @property
    def nested(self) -> type | None:
        """The dataclass of its own keys, where it is a group of them."""
        return self.hint if is_dataclass(self.hint) and self.hint is not Component else None  # type: ignore[return-value]

    @property
    def wanted(self) -> str:
        """Its type in words: "a whole number, 1 or more, or null"."""
        phrases = [_phrase(option) for option in _options(self.hint)]
        return ", or ".join(dict.fromkeys(phrases))

    def read(self, value: Any) -> Any:
        """The value as its type.

        Raises:
            UserError: it is of another type, out of bounds, or none of the choices.
        """
        options = _options(self.hint)
        if value is None and type(None) in options:
            return None
        if value is None and self.hint == Group:
            return {}
        if Component in options and not isinstance(value, Component | Mapping):
            raise UserError(f"{self.name}={shown(value)} chooses none of its group (see --help).")
        if Component in options:
            return value if isinstance(value, Component) else Component.of(value)
        if self.nested and isinstance(value, Mapping):
            return read(self.nested, value, f"{self.name}.")
        if TEXT in self.kinds and NUMBER not in self.kinds and type(value) in (int, float):
            value = str(value)  # a file may be called 2024
        if _fits(self.hint, value):
            return value
        if self.choices:
            named = either([shown(choice) for choice in self.choices])
            raise UserError(f"{self.name}={shown(value)} is not available: choose {named}.")
        raise UserError(f"{self.name}={shown(value)} must be {self.wanted}.")


def group(help: str) -> Any:
    """A field that is a component, or several: its value is what its group of configs chooses."""
    return field(metadata={"help": help, "section": ""})


def key(default: Any, help: str, *, section: str = "") -> Any:
    """A field of a command's dataclass.

    Args:
        default: see `Key`.
        help: its meaning, a few plain words; values that matter stand at their beginning.
        section: heading of this and the following keys.
    """
    about = {"help": help, "section": section}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=about)
    return field(default=default, metadata=about)


@cache
def keys(command: type[Any]) -> Mapping[str, Key]:
    """The keys of a command's dataclass, by name: its own in its order, then those of its bases."""
    hints = typing.get_type_hints(command, include_extras=True)
    bases = [base for base in command.__mro__[1:] if is_dataclass(base)]
    inherited = {each.name for base in bases for each in fields(base)}
    return {
        each.name: Key(
            each.name,
            hints[each.name],
            each.default if each.default_factory is MISSING else each.default_factory(),
            each.metadata["help"],
            each.metadata["section"],
        )
        for each in sorted(fields(command), key=lambda each: each.name in inherited)
    }


def components(command: type) -> tuple[str, ...]:
    """The keys of a command that are groups of configs."""
    return tuple(name for name, each in keys(command).items() if each.is_component)


def defaults(command: type) -> dict[str, Any]:
    """The values of keys that nobody sets; a component's is left to its group."""
    found: dict[str, Any] = {}
    for name, each in keys(command).items():
        if each.nested:
            found[name] = defaults(each.nested)
        elif each.default is not MISSING:
            found[name] = deepcopy(each.default)  # a list is nobody's to change
    return found


def read(command: type[T], values: Mapping[str, Any], prefix: str = "") -> T:
    """A command's settings.

    Args:
        command: its dataclass.
        values: of all its keys; others are left alone.
        prefix: of the keys' names, where they are those of a group.

    Raises:
        UserError: a value does not fit; the sentence says what does.
    """
    given = {}
    for name, each in keys(typing.cast(Hashable, command)).items():
        named = Key(prefix + name, each.hint, each.default, each.help, each.section)
        # A group of which nothing is chosen leaves no key.
        given[name] = named.read(values.get(name) if each.is_component else values[name])
    return command(**given)


def as_dict(settings: Any) -> dict[str, Any]:
    """The values that `read` made settings from."""
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    return {
        name: value.group()
        if isinstance(value, Component)
        else as_dict(value)
        if is_dataclass(value)
        else value
        for name, value in values.items()
    }


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


def _fits(hint: Any, value: Any) -> bool:
    from pydantic import ValidationError

    try:
        _adapter(hint).validate_python(value)
    except ValidationError:
        return False
    numbers = value if isinstance(value, list) else [value]
    return all(abs(n) <= LARGEST for n in numbers if isinstance(n, int | float))


def _options(hint: Any) -> Sequence[Any]:
    """The members of a union, or the hint alone."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


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
