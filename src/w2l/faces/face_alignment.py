"""The `face-alignment` package, imported where it is used: it brings numba and takes seconds."""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType


def package(module: str) -> ModuleType:
    """Import a module of `face_alignment`, e.g. `utils`.

    Numba would compile its two small functions for ten seconds, which Python runs in a millisecond
    a frame. Strings in its files warn on newer Pythons.
    """
    from numba.core import config

    before, config.DISABLE_JIT = config.DISABLE_JIT, True  # type: ignore[attr-defined]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(f"face_alignment.{module}")
    finally:
        config.DISABLE_JIT = before  # type: ignore[attr-defined]
