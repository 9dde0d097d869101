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
    import numba

    compiled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(f"face_alignment.{module}")
    finally:
        numba.config.DISABLE_JIT = compiled
