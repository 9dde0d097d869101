"""Presets: values of many keys under one name, a file of configs/presets/<command> each.

`published=true` stands for `preset=published`, what the published systems do differently. Keys
that the user sets win over a preset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from w2l.building import CONFIG_DIR, Component, choices, named_group
from w2l.errors import UserError

# Short forms of keys, which Hydra would take for a group of configs: command → key → its own name.
SHORT = {"evaluate": {"data": "data_root", "judge": "clip_judge"}}
OF_DETECTOR = {"min_face_score"}  # means something for one detector only: others score lower
PUBLISHED = "published"
TRUE = {"true", "yes", "on", "1", "y", "t"}


@dataclass(frozen=True)
class Preset:
    """Values of a command's keys.

    Keys with a dot are arguments of the component that the preset chooses, and are left alone
    where another is chosen.

    Attributes:
        values: by key; of a group, the name of its choice, a file, a list of names, or null.
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
            written = named_group(f"presets/{command}", name, folders)
        except UserError as error:
            raise UserError(str(error).replace(f"presets/{command}=", "preset=")) from None
        return cls({full_name(command, key): written[key] for key in written}, tuple(folders))

    def group(self, name: str) -> dict[str, Any]:
        """The keys of what it chooses of a group, without its own arguments for it."""
        chosen = self.values.get(name) or []
        several = chosen if isinstance(chosen, list) else [chosen]
        found: dict[str, Any] = {}
        for each in several:
            found |= named_group(name, each, self.folders)
        return found

    def is_for(self, detector: Component) -> bool:
        """Whether a detector is the one that it chooses, whatever its arguments."""
        return self.group("detector").get("_target_") == detector.target

    def applied(self, detector: Component) -> Component:
        """The detector that it chooses with its arguments."""
        names = [key for key in self.values if key.startswith("detector.")]
        return detector.with_arguments(**{key.partition(".")[2]: self.values[key] for key in names})

    def choices(self, given: set[str]) -> dict[str, str]:
        """The choices of groups as they are written, those excepted that are given."""
        return {
            group: _written(value)
            for group, value in self.values.items()
            if self._is_group(group) and not given & {group, f"{group}._target_"}
        }

    def others(self, given: set[str], components: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all other keys, those excepted that are given or mean another component.

        Args:
            given: keys.
            components: group → keys of what is in use of it.
        """
        return {
            key: value
            for key, value in self.values.items()
            if key not in given and not self._is_group(key) and self._is_meant(key, components)
        }

    def _is_group(self, key: str) -> bool:
        return bool(choices(key, self.folders))

    def _is_meant(self, key: str, components: Mapping[str, Any]) -> bool:
        """Whether what a key's value is meant for is in use."""
        group, *path = ["detector"] if key in OF_DETECTOR else key.split(".")[:-1] or [key]
        if not self._is_group(group):
            return True
        wanted = _target(self.group(group), path)
        return wanted is not None and wanted == _target(components.get(group), path)


def full_name(command: str, key: str) -> str:
    """A key whose short form may be written."""
    first, dot, rest = key.partition(".")
    return SHORT.get(command, {}).get(first, first) + dot + rest


def _target(node: Any, path: Sequence[str]) -> Any:
    """The class of the component at a path within a group of keys; None: there is none."""
    for part in path:
        node = node.get(part) if node else None
    return node.get("_target_") if node else None


def _written(choice: Any) -> str:
    """A group's choice as it is written on the command line."""
    if isinstance(choice, list):
        return f"[{','.join(choice)}]"
    return "null" if choice is None else str(choice)


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
    changed = deepcopy(settings)
    for group in preset.choices(given):
        changed[group] = preset.group(group) or None
    for key, value in preset.others(given, changed).items():
        *path, name = key.split(".")
        node = changed
        for part in path:
            node = node[part]
        node[name] = value
    return changed
