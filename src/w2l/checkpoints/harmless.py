"""What other trainers save beside the weights: read as plain values, or left out.

A pickle names classes, and loading it calls them. Each name here is given a stand-in of ours, which
does nothing but hold a number, a dict or a list; all other names are refused (see `archive`). So
nothing of the file's choice is ever called.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_NUMBERS = frozenset("?bBhHiIlLqQefdgFD") | {
    f"{kind}{size}" for kind in "biufc" for size in (1, 2, 4, 8, 16)
}


class Nothing:
    """In place of an object that is no weight: a path, a namespace, a date."""

    def __new__(cls, *_: Any, **__: Any) -> Nothing:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


class _Dict:
    """In place of a kind of dict; what is put into it stays."""

    def __new__(cls, *_: Any) -> Any:
        return OrderedDict()


class _List:
    """In place of a kind of list."""

    def __new__(cls, *_: Any) -> Any:
        return []


class _Dtype:
    """In place of NumPy's: its name and the order of its bytes."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name = name if name in _NUMBERS else None
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in {"<", ">"}:
            self.order = state[1]


def _scalar(dtype: Any, data: Any = b"", *_: Any) -> Any:
    """A NumPy number as Python's; what is none as `Nothing`."""
    if not isinstance(dtype, _Dtype) or dtype.name is None or not isinstance(data, bytes):
        return Nothing()
    return np.frombuffer(data, np.dtype(dtype.name).newbyteorder(dtype.order), count=1)[0].item()


_STAND_INS: dict[Any, tuple[str, ...]] = {
    _scalar: ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    _Dtype: ("numpy.dtype",),
    _Dict: (
        "addict.addict.Dict", "collections.defaultdict", "easydict.EasyDict",
        "lightning_fabric.utilities.data.AttributeDict",
        "lightning.fabric.utilities.data.AttributeDict",
        "pytorch_lightning.utilities.parsing.AttributeDict", "yacs.config.CfgNode",
    ),
    _List: ("collections.deque",),
    Nothing: (
        "argparse.Namespace", "types.SimpleNamespace",
        *(f"builtins.{name}" for name in (
            "bool", "bytes", "dict", "float", "frozenset", "int", "list", "object", "range",
            "slice", "str", "tuple",
        )),
        *(f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in (
            "Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath",
        )),
        "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta",
        "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "typing.Any",
        "numpy.ndarray", "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct", "numpy.random._pickle.__randomstate_ctor",
        "omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata",
        "omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig",
        *(f"omegaconf.nodes.{name}Node" for name in (
            "Any", "Boolean", "Float", "Integer", "String",
        )),
    ),
}  # fmt: skip
_ONE_AT_A_TIME = threading.Lock()  # torch keeps the list of what may be named in one place


@contextmanager
def harmless_allowed() -> Iterator[None]:
    """Within, `torch.load(weights_only=True)` reads the names above as their stand-ins."""
    allowed: list[Any] = [
        (stand_in, name) for stand_in, names in _STAND_INS.items() for name in names
    ]
    with _ONE_AT_A_TIME, torch.serialization.safe_globals(allowed):
        yield
