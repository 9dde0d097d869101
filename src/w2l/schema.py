"""The keys of a command: a dataclass whose fields say all that there is to know of each.

A field's annotation is the key's type, with its bounds and unit (`w2l.bounds`); `key` gives its
default and its meaning. From these come the values' check, the quoting of the command line,
`--help`, and the typed object that the command works with, so that nothing is written twice.
"""

from __future__ import annotations

import typing
from collections.abc import Hashable, Mapping
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from w2l.bounds import NUMBER, TEXT, fits, is_file, kinds, options, shown, wanted
from w2l.building import Component
from w2l.errors import UserError, either

REQUIRED = "???"  # the default of a key that has to be given
Group = dict[str, Any]  # of a component, or of several
Choice = Annotated[str | list[str] | None, "choice"]  # of a group whose keys lie in others

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
        arguments: of a group, the dataclass of those of its keys that are known: what each may be.
            Their defaults are the chosen component's.
    """

    name: str
    hint: Any
    default: Any
    help: str
    section: str
    arguments: type[Any] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """What may be written for it, null aside."""
        return kinds(self.hint)

    @property
    def is_file(self) -> bool:
        """Whether it names a file."""
        return is_file(self.hint)

    @property
    def choices(self) -> tuple[Any, ...]:
        """Its values, where only some are possible."""
        named = [option for option in options(self.hint) if option is not type(None)]
        if not all(typing.get_origin(option) is Literal for option in named):
            return ()
        return tuple(value for option in named for value in typing.get_args(option))

    @property
    def is_component(self) -> bool:
        """Whether its value is what a group of configs chooses."""
        return self.hint in (Group, Choice) or Component in options(self.hint)

    @property
    def nested(self) -> type | None:
        """The dataclass of its own keys, where it is a group of them."""
        return self.hint if is_dataclass(self.hint) and self.hint is not Component else None  # type: ignore[return-value]

    @property
    def wanted(self) -> str:
        """Its type in words: "a whole number, 1 or more, or null"."""
        return wanted(self.hint)

    def named(self, name: str) -> Key:
        """The same by another name, as that with those of its groups before it."""
        return replace(self, name=name)

    def known(self, group: Mapping[str, Any]) -> Mapping[str, Key]:
        """The keys of a group of which it is known what they may be."""
        if self.arguments is None or group.get("_target_") != self.arguments.TARGET:
            return {}
        prefix = f"{self.name}."
        return {
            name: each.named(prefix + name)
            for name, each in keys(typing.cast(Hashable, self.arguments)).items()
            if name in group
        }

    def read(self, value: Any) -> Any:
        """The value as its type.

        Raises:
            UserError: it is of another type, out of bounds, or none of the choices.
        """
        if type(value) is type(self.default) and value == self.default:
            return value  # of most keys, whose types need not be looked at then
        taken = options(self.hint)
        if value is None and type(None) in taken:
            return None
        if self.hint == Choice:
            return value
        if value is None and self.hint == Group:
            return {}
        if self.arguments and isinstance(value, Mapping):
            read_ones = {name: each.read(value[name]) for name, each in self.known(value).items()}
            return {**value, **read_ones}
        if Component in taken and not isinstance(value, Component | Mapping):
            raise UserError(f"{self.name}={shown(value)} chooses none of its group (see --help).")
        if Component in taken:
            return value if isinstance(value, Component) else Component.of(value)
        if self.nested and isinstance(value, Mapping):
            return read(self.nested, value, f"{self.name}.")
        if TEXT in self.kinds and NUMBER not in self.kinds and type(value) in (int, float):
            value = str(value)  # a file may be called 2024
        if self.nested is None and fits(self.hint, value):
            return value
        if self.choices:
            named = either([shown(choice) for choice in self.choices])
            raise UserError(f"{self.name}={shown(value)} is not available: choose {named}.")
        raise UserError(f"{self.name}={shown(value)} must be {self.wanted}.")


def group(help: str, arguments: type[Any] | None = None) -> Any:
    """A field that is a component, or several: its value is what its group of configs chooses."""
    return field(metadata={"help": help, "section": "", "arguments": arguments})


def argument(help: str) -> Any:
    """A field that is an argument of a component, which states its default."""
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
            each.metadata.get("arguments"),
        )
        for each in sorted(fields(command), key=lambda each: each.name in inherited)
    }


def all_keys(command: type, prefix: str = "") -> dict[str, Key]:
    """The keys of a command by their whole names: those of groups of them, and known arguments."""
    found: dict[str, Key] = {}
    for name, each in keys(command).items():
        found[prefix + name] = each.named(prefix + name)
        if within := each.nested or each.arguments:
            found |= all_keys(within, f"{prefix}{name}.")
    return found


def components(command: type) -> tuple[str, ...]:
    """The keys of a command that are groups of configs."""
    return tuple(name for name, each in keys(command).items() if each.is_component)


def choice_keys(command: type) -> list[str]:
    """Those of them whose keys lie in other groups."""
    return [name for name, each in keys(command).items() if each.hint == Choice]


def built_groups(command: type) -> list[str]:
    """Those of them that are one component."""
    return [name for name, each in keys(command).items() if Component in options(each.hint)]


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
        named = each.named(prefix + name)
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
