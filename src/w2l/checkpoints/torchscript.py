"""Parameters of a TorchScript archive, read without running the archive's code.

An archive is a zip: `data.pkl` is a tree of objects with attributes, whose tensors lie in `data/`;
`code/` is the program, which is not looked at. The classes that the pickle names (`__torch__.…`)
all become plain nodes here, and anything else that it names is refused.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import Any, NamedTuple

import torch
from torch import Tensor

from w2l.errors import UserError

DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}

_MOST_NODES, _DEEPEST = 100_000, 50  # modules of a network, and within each other


class _StorageType(NamedTuple):
    dtype: torch.dtype


class _Node:
    """An object of the archive: attributes, no behaviour."""

    __slots__ = ("attributes",)

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def is_torchscript(archive: zipfile.ZipFile) -> bool:
    """Whether a zip is a TorchScript archive: told by content, since names mislead."""
    names = archive.namelist()
    return any(name.endswith("/constants.pkl") for name in names) and any(
        "/code/" in name for name in names
    )


def read(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    """The state dict of the archived module.

    Raises:
        UserError: there are no named parameters in it, as in a frozen module.
        pickle.UnpicklingError: the pickle names something other than tensors and modules.
        ValueError, KeyError, RuntimeError, …: damaged.
    """
    pickled = min((n for n in archive.namelist() if n.endswith("/data.pkl")), key=len)
    root = _Unpickler(archive, pickled).load()
    state = _state_dict(root)
    if not state:
        raise UserError(
            f"{archive.filename} is a TorchScript archive without named parameters (frozen?): "
            "export the module without freezing it, or take its .pth."
        )
    return state


def _state_dict(root: Any) -> dict[str, Tensor]:
    """Tensors by their dotted names, parents before children.

    Raises:
        ValueError: nodes that hold each other in a circle, or that branch without end.
    """
    state: dict[str, Tensor] = {}
    waiting = [("", root)]
    for _ in range(_MOST_NODES):
        if not waiting:
            return state
        prefix, node = waiting.pop()
        if not isinstance(node, _Node):
            continue
        inner = []
        for name, value in node.attributes.items():
            if isinstance(value, Tensor):
                state[f"{prefix}{name}"] = value
            elif prefix.count(".") < _DEEPEST:  # else it holds itself
                inner.append((f"{prefix}{name}.", value))
        waiting += reversed(inner)
    raise ValueError("more modules than any network has")


class _Unpickler(pickle.Unpickler):
    """Builds tensors, containers and nodes, and nothing else."""

    def __init__(self, archive: zipfile.ZipFile, pickled: str) -> None:
        super().__init__(io.BytesIO(archive.read(pickled)))
        self._archive = archive
        self._folder = pickled.removesuffix("data.pkl")
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Node
        if module == "torch" and name in DTYPES:
            return _StorageType(DTYPES[name])
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if module == "torch.jit._pickle":  # marks typed lists and dicts: the value comes first
            return self._untyped
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"Unsupported global: GLOBAL {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        """A storage as a flat tensor, read once."""
        _, (dtype,), key, _, numel = pid
        if key not in self._storages:
            self._storages[key] = self._read_storage(key, dtype, numel)
        return self._storages[key]

    def _read_storage(self, key: str, dtype: torch.dtype, numel: int) -> Tensor:
        info = self._archive.getinfo(f"{self._folder}data/{key}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size < numel * dtype.itemsize:
            raise ValueError(f"storage {key} has another size than stated")
        if numel == 0:
            return torch.empty(0, dtype=dtype)
        with self._archive.open(info) as file:  # checks the CRC on the way
            return torch.frombuffer(bytearray(file.read()), dtype=dtype, count=numel)

    # Bound methods, because a pickle can set attributes of a plain function.
    def _untyped(self, value: Any, *_: Any) -> Any:
        return value

    def _tensor(
        self, storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
    ) -> Tensor:
        return storage.as_strided(size, stride, offset)  # torch checks the bounds
