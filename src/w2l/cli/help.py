"""`--help` and `--version` of every command; its config's comments say what each key is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from w2l import __version__
from w2l.errors import UserError

# Hydra's own; the others of its switches are written with one dash, too.
SWITCHES = frozenset(
    {
        "--cfg", "--config-dir", "--config-name", "--config-path", "--experimental-rerun", "--help",
        "--hydra-help", "--info", "--multirun", "--package", "--resolve", "--run",
        "--shell-completion", "--version",
    }
)  # fmt: skip
SHOWS = ("--cfg", "-c", "--info", "-i")  # switches that show the config and run nothing


def answer(arguments: Sequence[str], folder: Path, name: str) -> str | None:
    """What `--version` and `--help` print; None where neither is asked for.

    Args:
        arguments: of the command line.
        folder: of the configs.
        name: of the command's config.

    Raises:
        UserError: a switch that there is not, as `--face`.
    """
    if "--version" in arguments:
        return f"w2l {__version__}"
    if {"--help", "-h"} & {*arguments}:
        return help_text(folder, name)
    for argument in arguments:
        switch, _, value = argument.partition("=")
        if switch.startswith("--") and switch not in SWITCHES:
            key = switch.lstrip("-").replace("-", "_")
            raise UserError(
                f"{switch} is no switch of this command: keys are written key=value, without "
                f"dashes, as {key}={value or '…'} (--help lists them)."
            )
    return None


def help_text(folder: Path, name: str) -> str:
    """The commented keys of a command, and the choices of its groups."""
    path = folder / f"{name}.yaml"
    lines = [*_own_keys(path.read_text("utf-8").splitlines())]
    chosen = [
        f"{group}=  {', '.join(sorted(file.stem for file in (folder / group).glob('*.yaml')))}"
        for group in groups(path)
    ]
    if chosen:
        lines += ["", "# Groups of keys, one choice of each; --cfg job behind one shows its keys:"]
        lines += chosen
    return "\n".join(lines)


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
