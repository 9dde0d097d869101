"""`--help` and `--version` of every command."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from w2l import __version__
from w2l.bounds import shown
from w2l.building import Component, named_group
from w2l.errors import UserError
from w2l.schema import REQUIRED, Key, components, keys
from w2l.schema import defaults as key_defaults

# Hydra's own; the others of its switches are written with one dash, too.
SWITCHES = frozenset(
    {
        "--cfg", "--config-dir", "--config-name", "--config-path", "--experimental-rerun", "--help",
        "--hydra-help", "--info", "--multirun", "--package", "--resolve", "--run",
        "--shell-completion", "--version",
    }
)  # fmt: skip
SHOWS = ("--cfg", "-c", "--info", "-i")  # switches that show the config and run nothing


def answer(
    arguments: Sequence[str], folder: Path, command: type[Any], own: Sequence[Path] = ()
) -> str | None:
    """What `--version` and `--help` print; None where neither is asked for.

    Args:
        arguments: of the command line.
        folder: of the configs.
        command: its dataclass.
        own: folders of one's own configs.

    Raises:
        UserError: a component that is chosen beside `--help` is not there; a switch that there is
            not, as `--face`.
    """
    if "--version" in arguments:
        return f"w2l {__version__}"
    if {"--help", "-h"} & {*arguments}:
        return "\n".join([help_text(folder, command), *_chosen(arguments, command, own)])
    for argument in arguments:
        switch, _, value = argument.partition("=")
        if switch.startswith("--") and switch not in SWITCHES:
            key = switch.lstrip("-").replace("-", "_")
            raise UserError(
                f"{switch} is no switch of this command: keys are written key=value, without "
                f"dashes, as {key}={value or '…'} (--help lists them)."
            )
    return None


def help_text(folder: Path, command: type[Any]) -> str:
    """What a command is for, examples, its groups, and each key with type, default and meaning."""
    path = folder / f"{command.NAME}.yaml"
    lines = [inspect.cleandoc(command.__doc__ or ""), "", "Examples:"]
    lines += [f"  {command.COMMAND} {each}" for each in command.EXAMPLES]
    if choices := groups(path):
        lines += ["", "Groups, one choice of each; its arguments are keys as GROUP.NAME=VALUE:"]
        known = keys(cast(Hashable, command))
        for group, chosen in choices.items():
            names = sorted(file.stem for file in (folder / group).glob("*.yaml"))
            lines += [f"  {group}={_default(chosen)}",
                      *_wrapped(f"{known[group].help}."),
                      *_wrapped(f"One of {', '.join(names)}.")]  # fmt: skip
    for name, each in keys(cast(Hashable, command)).items():
        if each.is_component and name not in choices:  # stated by what is chosen for others
            lines += [f"  {name}=…", *_wrapped(f"{each.help}.")]
    return "\n".join([*lines, *_key_lines(command), *_argument_lines(folder, command)])


def _chosen(arguments: Sequence[str], command: type[Any], own: Sequence[Path]) -> Iterator[str]:
    """The help of each component that is chosen beside `--help`, which is its docstring."""
    for argument in arguments:
        group, _, name = argument.partition("=")
        if name and group in components(command):
            values = named_group(group, name, own)
            steps = [values] if "_target_" in values else values.values()
            for step in steps:
                if isinstance(step, dict) and "_target_" in step:
                    yield f"\n{argument}: {Component.of(step).about()}"


def _argument_lines(folder: Path, command: type[Any]) -> Iterator[str]:
    """The keys of groups that are set by hand, with the defaults of what is chosen there."""
    chosen = groups(folder / f"{command.NAME}.yaml")
    for each in keys(cast(Hashable, command)).values():
        if each.arguments is not None:
            values = defaults(folder, command)[each.name]
            yield from ("", f"Keys of {each.name}={chosen[each.name]}:")
            for name, known in each.known(values).items():
                yield from _entry(known.name, values[name], known)


def _key_lines(command: type, prefix: str = "") -> Iterator[str]:
    for each in keys(command).values():
        if each.section:
            yield from ("", f"{each.section}:")
        if each.nested:
            yield from ("", f"{each.name}: {each.help}:")
            yield from _key_lines(each.nested, f"{each.name}.")
        elif not each.is_component:
            yield from _entry(f"{prefix}{each.name}", each.default, each)


def _entry(name: str, default: Any, key: Key) -> Iterator[str]:
    text = f"{name}={_default(default)}  ({key.wanted})"
    yield from textwrap.wrap(text, 98, initial_indent="  ", subsequent_indent="      ",
                             break_on_hyphens=False, break_long_words=False)  # fmt: skip
    yield from _wrapped(key.help)


def _default(value: Any) -> str:
    text = "…" if value == REQUIRED else shown(value)
    return f"{text[0]}…{text[-1]}" if isinstance(value, list | dict) and len(text) > 40 else text


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 92, initial_indent="      ", subsequent_indent="      ",
                         break_on_hyphens=False, break_long_words=False)  # fmt: skip


def groups(path: Path) -> dict[str, str | None]:
    """The groups that a config chooses from, and what it chooses; "???": the user has to."""
    entries = OmegaConf.to_container(OmegaConf.load(path))["defaults"]  # type: ignore[call-overload, index]
    return {
        key: choice
        for entry in entries
        if isinstance(entry, dict)
        for key, choice in entry.items()
        if not key.startswith("override ")
    }


def chain_of(path: Path) -> list[Path]:
    """A group's file, and before it those of the same group that it is built on."""
    entries = cast(DictConfig, OmegaConf.load(path)).get("defaults", ())
    return [
        *(each for entry in entries if isinstance(entry, str) and entry != "_self_"
          for each in chain_of(path.with_name(f"{entry}.yaml"))),
        path,
    ]  # fmt: skip


def defaults(folder: Path, command: type[Any]) -> dict[str, Any]:
    """Values of a command's keys before anybody sets one, as nested dicts.

    Those of the groups that it chooses are among them.
    """
    path = folder / f"{command.NAME}.yaml"
    parts = [OmegaConf.create(key_defaults(command))]
    for group, choice in groups(path).items():
        for file in (
            chain_of(folder / group / f"{choice}.yaml") if choice not in {None, "???"} else ()
        ):
            header = re.match(r"# @package (\S+)", file.read_text("utf-8"))
            place = group if header is None else header[1].replace("_global_", "")
            content = OmegaConf.load(file)
            parts.append(OmegaConf.create(_nested(place, content)))
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.unsafe_merge(*parts)))


def _nested(place: str, content: Any) -> Any:
    for name in reversed(place.split(".") if place else []):
        content = {name: content}
    return content


def without_choice(arguments: Sequence[str], path: Path) -> list[str]:
    """What to add to a command line that shows the config, and leaves out a group it must choose.

    Returns:
        `~group` for each; the keys that are common to all choices are shown then.
    """
    shows = any(argument.partition("=")[0] in SHOWS for argument in arguments)
    given = {argument.partition("=")[0].lstrip("+~") for argument in arguments}
    missing = [key for key, choice in groups(path).items() if choice == "???" and key not in given]
    return [f"~{key}" for key in missing] if shows else []
