"""Packages outside w2l whose classes a checkpoint may name.

Building what a file names runs code of that package, so the user says which may run: `trust=` of a
command, or the environment variable, which processes started later inherit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

VARIABLE = "W2L_TRUST"  # names with commas between


def trust(packages: str | Iterable[str]) -> None:
    """Let checkpoints name classes of these packages, for the rest of this process.

    Args:
        packages: names as they are imported, e.g. "mygen" or "lab.models".
    """
    names = [packages] if isinstance(packages, str) else packages
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*_trusted(), *names]))


def is_trusted(target: str) -> bool:
    """Whether a class, by its full name, is one of w2l or of a trusted package."""
    return any(target.startswith(f"{package}.") for package in ("w2l", *_trusted()))


def _trusted() -> list[str]:
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]
