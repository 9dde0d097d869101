"""`--help` and `--version` of every command."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf

from w2l import __version__
from w2l.building import Component, named_group
from w2l.cli.quoting import kinds_of
from w2l.errors import UserError
from w2l.schema import REQUIRED, components, keys, shown
from w2l.schema import defaults as key_defaults

Command = type | str  # the dataclass of its keys, or the name of a tree
EXAMPLES = {
    "train": (
        "python train.py experiment=syncnet data.root=data/lrs2",
        "python train.py experiment=wav2lip_gan expert=lipsync_expert run_dir=outputs/mine",
        "python train.py experiment=syncnet run_dir=outputs/expert resume=auto",
    ),
    "benchmarks": (
        "python -m benchmarks name=inference",
        "python -m benchmarks name=generator generator.device=cuda",
        "python -m benchmarks name=training training.experiment=wav2lip_gan",
    ),
}

# Hydra's own; the others of its switches are written with one dash, too.
SWITCHES = frozenset(
    {
        "--cfg", "--config-dir", "--config-name", "--config-path", "--experimental-rerun", "--help",
        "--hydra-help", "--info", "--multirun", "--package", "--resolve", "--run",
        "--shell-completion", "--version",
    }
)  # fmt: skip
SHOWS = ("--cfg", "-c", "--info", "-i")  # switches that show the config and run nothing


def name_of(command: Command) -> str:
    """The name of a command's config."""
    return command if isinstance(command, str) else str(command.NAME)  # type: ignore[attr-defined]


def answer(
    arguments: Sequence[str], folder: Path, command: Command, own: Sequence[Path] = ()
) -> str | None:
    """What `--version` and `--help` print; None where neither is asked for.

    Args:
        arguments: of the command line.
        folder: of the configs.
        command: its dataclass, or its name.
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


def help_text(folder: Path, command: Command) -> str:
    """What a command is for, examples, its groups, and each key with type, default and meaning."""
    path = folder / f"{name_of(command)}.yaml"
    if isinstance(command, str):
        return tree_help(folder, path)
    lines = [inspect.cleandoc(command.__doc__ or ""), "", "Examples:"]
    lines += [f"  {command.COMMAND} {each}" for each in command.EXAMPLES]  # type: ignore[attr-defined]
    if choices := groups(path):
        lines += ["", "Groups, one choice of each; its arguments are keys as GROUP.NAME=VALUE:"]
        for group, chosen in choices.items():
            names = sorted(file.stem for file in (folder / group).glob("*.yaml"))
            lines += [f"  {group}={shown(chosen)}", *_wrapped(f"{keys(command)[group].help}."),
                      *_wrapped(f"One of {', '.join(names)}.")]  # fmt: skip
    return "\n".join([*lines, *_key_lines(command)])


def _chosen(arguments: Sequence[str], command: Command, own: Sequence[Path]) -> Iterator[str]:
    """The help of each component that is chosen beside `--help`, which is its docstring."""
    for argument in arguments:
        group, _, name = argument.partition("=")
        if name and not isinstance(command, str) and group in components(command):
            values = named_group(group, name, own)
            steps = [values] if "_target_" in values else values.values()
            for step in steps:
                if isinstance(step, dict) and "_target_" in step:
                    yield f"\n{argument}: {Component.of(step).about()}"


def _key_lines(command: type, prefix: str = "") -> Iterator[str]:
    for each in keys(command).values():
        if each.section:
            yield from ("", f"{each.section}:")
        if each.nested:
            yield from ("", f"{each.name}: {each.help}:")
            yield from _key_lines(each.nested, f"{each.name}.")
        elif not each.is_component:
            default = "…" if each.default == REQUIRED else shown(each.default)
            yield f"  {prefix}{each.name}={default}  ({each.wanted})"
            yield from _wrapped(each.help)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 92, initial_indent="      ", subsequent_indent="      ",
                         break_on_hyphens=False, break_long_words=False)  # fmt: skip


def tree_help(folder: Path, path: Path) -> str:
    """The same of a tree of components, whose YAML says of each key and group what it is."""
    name = path.stem
    about = path.read_text("utf-8").partition("\n")[0].lstrip("# ").partition(".")[0]
    lines = [f"{about}.", "", "Examples:", *(f"  {each}" for each in EXAMPLES[name])]
    notes = dict(re.findall(r"^  - (\w+):[^#\n]*# (.*)$", path.read_text("utf-8"), re.MULTILINE))
    if choices := groups(path):
        lines += ["", "Groups, one choice of each; --cfg job behind one shows its keys:"]
    for group, chosen in choices.items():
        names = sorted(file.stem for file in (folder / group).glob("*.yaml"))
        lines += [f"  {group}={'…' if chosen == REQUIRED else shown(chosen)}",
                  *_wrapped(f"{notes[group]}. One of {', '.join(names)}.")]  # fmt: skip
    lines += ["", "Keys:", *_tree_lines(path)]
    for group in ("data", "model"):  # whose keys are set by hand
        if choice := choices.get(group):
            lines += ["", f"Keys of {group}={choice}:"]
            for file in chain_of(folder / group / f"{choice}.yaml"):
                lines += _tree_lines(file, f"{group}.")
    return "\n".join(lines)


def _tree_lines(path: Path, prefix: str = "") -> Iterator[str]:
    """Each key that has a comment, with its type, its default, and the comment."""
    within: list[tuple[int, str]] = []  # indentation and name of the groups around
    found: list[tuple[str, str, list[str]]] = []
    for line in _own_keys(path.read_text("utf-8").splitlines()):
        if key := re.match(r"( *)(\w+):(?:\s+([^#\s][^#]*?))?\s*(?:\s# ?(.*))?$", line):
            within = [each for each in within if each[0] < len(key[1])]
            name = ".".join([*(each[1] for each in within), key[2]])
            within.append((len(key[1]), key[2]))
            found.append((name, key[3] or "", [key[4]] if key[4] else []))
        elif found and (more := re.match(r" +# ?(.*)$", line)):
            found[-1][2].append(more[1])
    for name, text, comment in found:
        if comment and text:
            default = yaml.safe_load(text)
            kinds = kinds_of(f"{prefix}{name}", default)
            kind = f"  ({' or '.join(kinds)})" if kinds else ""
            yield f"  {prefix}{name}={'…' if text == REQUIRED else text}{kind}"
            yield from _wrapped(" ".join(comment))


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


def defaults(folder: Path, command: Command) -> dict[str, Any]:
    """Values of a command's keys before anybody sets one, as nested dicts.

    Those of the groups that it chooses are among them.
    """
    path = folder / f"{name_of(command)}.yaml"
    if isinstance(command, str):
        parts = [OmegaConf.load(path)]
    else:
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


def _own_keys(lines: Sequence[str]) -> Iterator[str]:
    """A config's lines without its list of defaults, and without what it tells Hydra."""
    skipping = False
    for line in lines:
        if line and not line.startswith((" ", "#")):
            skipping = line.startswith(("defaults:", "hydra:"))
        if not skipping:
            yield line
