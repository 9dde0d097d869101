"""Path values are quoted for the user before Hydra's grammar sees them.

Hydra rejects `watch?v=x`, `it's.mp4`, `a (1).mp4`, `~/x` and sweeps over `a,b.mp4`. Nobody who
types a file name expects that; who types `--multirun` expects the sweep.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Keys whose value is a path, an address, a registry name or text for people, in any command.
PATH_KEYS = frozenset(
    {
        "audio", "batch", "calibration", "checkpoint", "clips", "data.cache_dir", "data.root",
        "data_root", "detector_weights", "examples", "expert", "face", "filelist", "filelists",
        "home", "identity", "inception", "init_from", "judge", "label", "landmarks", "out",
        "outfile", "output", "pairs", "parser", "people", "person", "reference", "restorer",
        "results", "resume", "sync", "syncnet", "video", "voice",
    }
)  # fmt: skip


def quote(value: str) -> str:
    """`value` as a string literal of Hydra's grammar that stays free of interpolation."""
    value = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + "\\${", value)
    # Only backslashes before a quote (or at the end) need doubling in the grammar.
    value = re.sub(r"(\\*)'", lambda match: match[1] * 2 + "\\'", value)
    value = re.sub(r"(\\+)$", lambda match: match[1] * 2, value)
    return f"'{value}'"


def quote_paths(arguments: Sequence[str]) -> list[str]:
    """Quote the values of path keys; already quoted ones, null, ???, and lists in a sweep stay."""
    quoted = []
    sweeps = not {"-m", "--multirun"}.isdisjoint(arguments)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        is_literal = value in {"null", "???"} or (
            len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        )
        is_swept = sweeps and "," in value
        if equals and key.lstrip("+~") in PATH_KEYS and not is_literal and not is_swept:
            argument = f"{key}={quote(value)}"
        quoted.append(argument)
    return quoted
