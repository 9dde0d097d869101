"""Presets: values of many keys under one name, a file of configs/presets/<command> each.

`published=true` stands for `preset=published`, what the published systems do differently. Keys
that the user sets win over a preset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from w2l.building import CONFIG_DIR, Component, named_group
from w2l.errors import UserError

# Of a preset's keys, those that choose a component, or several.
GROUPS = ("detector", "chain", "metrics", "restorer", "source")
OF_DETECTOR = {"min_face_score"}  # means something for one detector only: others score lower
PUBLISHED = "published"
TRUE = {"true", "yes", "on", "1", "y", "t"}


@dataclass(frozen=True)
class Preset:
    """Values of a command's keys.

    Keys with a dot are arguments of the component that the preset chooses, and are left alone
    where another is chosen.

    Attributes:
        values: by key; of a group, the name of its choice.
        folders: of one's own configs, where its choices may be.
    """

    values: Mapping[str, Any]
    folders: tuple[Path, ...] = ()

    @classmethod
    def named(cls, command: str, name: str, folders: Sequence[Path] = ()) -> Preset:
        """Read configs/presets/<command>/<name>.yaml.

        Raises:
            UserError: there is none of this name; the sentence lists them.
        """
        try:
            return cls(named_group(f"presets/{command}", name, folders), tuple(folders))
        except UserError as error:
            raise UserError(str(error).replace(f"presets/{command}=", "preset=")) from None

    def chosen(self, group: str) -> Component:
        """The component that it chooses, with the preset's arguments."""
        component = Component.of(named_group(group, self.values[group], self.folders))
        return component.with_arguments(**self._arguments(group))

    def is_for(self, component: Component, group: str = "detector") -> bool:
        """Whether a component is the one that it chooses, whatever its arguments."""
        return group in self.values and self.chosen(group).target == component.target

    def applied(self, component: Component, group: str = "detector") -> Component:
        """The component with the preset's arguments, where it is the one that it chooses."""
        if not self.is_for(component, group):
            return component
        return component.with_arguments(**self._arguments(group))

    def choices(self, given: set[str]) -> dict[str, str]:
        """The choices of groups, those excepted that are given."""
        return {
            group: self.values[group]
            for group in GROUPS
            if group in self.values and not given & {group, f"{group}._target_"}
        }

    def others(self, given: set[str], components: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all other keys, those excepted that are given or mean another component.

        Args:
            given: keys.
            components: group → keys of the component that is in use.
        """
        return {
            key: value
            for key, value in self.values.items()
            if key not in given
            and key not in GROUPS
            and (
                (group := _group_of(key)) is None
                or self.is_for(Component.of(components[group]), group)
            )
        }

    def _arguments(self, group: str) -> dict[str, Any]:
        return {
            key.partition(".")[2]: value
            for key, value in self.values.items()
            if key.startswith(f"{group}.")
        }


def _group_of(key: str) -> str | None:
    """The component that a key's value is meant for; None: it holds for any."""
    group, dot, _ = key.partition(".")
    return group if dot else "detector" if key in OF_DETECTOR else None


def given_keys(overrides: Sequence[str]) -> set[str]:
    """The keys that were set on the command line."""
    return {override.partition("=")[0].lstrip("+~") for override in overrides}


def preset_in(
    command: str, arguments: Sequence[str], default: bool, folders: Sequence[Path] = ()
) -> Preset | None:
    """The preset that a command line asks for.

    Args:
        command: its name.
        arguments: of the command line.
        default: of the command's key `published`.
        folders: of one's own configs.

    Raises:
        UserError: there is no such preset.
    """
    said = {key: value for key, _, value in (each.partition("=") for each in arguments)}
    published = said["published"].lower() in TRUE if "published" in said else default
    name = said.get("preset", "null")
    if name == "null" and not (published and (CONFIG_DIR / "presets" / command).is_dir()):
        return None
    return Preset.named(command, PUBLISHED if name == "null" else name, folders)


def apply_preset(cfg: DictConfig, preset: Preset, overrides: Sequence[str]) -> None:
    """Set a preset's values in `cfg`, except for keys named in `overrides`."""
    for key, value in preset.others(given_keys(overrides), cfg).items():
        OmegaConf.update(cfg, key, value, force_add=False)


def preset_settings(preset: Preset, settings: dict[str, Any], given: set[str]) -> dict[str, Any]:
    """Values of all keys with those of a preset, except for the keys that were given."""
    changed = dict(settings)
    for group in preset.choices(given):
        changed[group] = named_group(group, preset.values[group], preset.folders)
    values = preset.others(given, changed)
    for group in GROUPS:
        if any(key.startswith(f"{group}.") for key in values):
            changed[group] = preset.applied(Component.of(changed[group]), group).group()
    return changed | {key: value for key, value in values.items() if "." not in key}
