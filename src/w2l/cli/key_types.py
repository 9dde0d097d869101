"""Types of the keys of a tree (train.py, benchmarks): that of a default, or what is said here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from w2l.errors import UserError
from w2l.schema import GROUP, LARGEST, LIST, NUMBER, SWITCH, TEXT

PATH = "a path"

# Keys of these whose default is null, or may be.
OF_NULL: Mapping[str, tuple[str, ...]] = {
    key: kinds
    for kinds, keys in {
        (NUMBER,): ("max_updates",),
        (PATH,): (
            "data.cache_dir", "expert", "init_from", "out", "resume", "syncnet", "video",
        ),
        # One alone needs no brackets.
        (TEXT, LIST): ("arms", "trust"),
    }.items()
    for key in keys
}  # fmt: skip


def kinds_of(key: str, default: Any) -> tuple[str, ...]:
    """The types that a key takes, a path among them as text; none where nothing tells.

    Args:
        key: its name, with those of its groups and dots between.
        default: of the key in the config file; `${…}` alone stands for another key's value.
    """
    if isinstance(default, str) and re.fullmatch(r"\$\{[^{}]*\}", default):
        return ()
    if default is None or default == "???":
        last = key.rpartition(".")[2]  # of a group: evaluation.video
        known = OF_NULL.get(key) or ((PATH,) if is_path(last) else ())
        return tuple(TEXT if kind == PATH else kind for kind in known)
    if is_path(key):
        return (TEXT,)
    return (type_name(default),)


def is_path(key: str) -> bool:
    """Whether a key's value is a path or a name that stands for a file."""
    return PATH in OF_NULL.get(key, ())


def check_type(key: str, default: Any, value: Any) -> None:
    """See that a value is of its key's type, and a number one that can be counted with.

    Args:
        key: its name, with those of its groups and dots between.
        default: of the key in the config file.
        value: what was given; null is of every type.

    Raises:
        UserError: it is not, e.g. `smooth=maybe`, `box=3`, `start=nan`.
    """
    wanted = kinds_of(key, default)
    if value is None or not wanted:
        return
    given = type_name(value)
    # A file may be called 2024: a number where text is expected is text.
    if given not in wanted and not (TEXT in wanted and given == NUMBER):
        raise UserError(f"{key} must be {' or '.join(wanted)}, not {str(value)!r}.")
    if wanted == (NUMBER,) and not abs(value) <= LARGEST:  # nor is NaN
        raise UserError(f"{key}={value} must be a number from -{LARGEST:g} to {LARGEST:g}.")


def type_name(value: Any) -> str:
    """The type of a value, as its sentence names it."""
    if isinstance(value, bool):
        return SWITCH
    if isinstance(value, int | float):
        return NUMBER
    if OmegaConf.is_list(value) or isinstance(value, list):
        return LIST
    return GROUP if OmegaConf.is_dict(value) or isinstance(value, dict) else TEXT
