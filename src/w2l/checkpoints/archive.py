"""The content of a checkpoint file, whatever its packing, without running code in it."""

from __future__ import annotations

import json
import pickle
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError

from w2l.checkpoints import torchscript
from w2l.checkpoints.harmless import harmless_allowed
from w2l.errors import UserError
from w2l.weights.download import is_html

# By how much a file may unfold: torch stores what it writes as it is.
_MOST_UNFOLDED = 4
_FREE_BYTES = 2**26
METADATA = "w2l"  # the entry of a safetensors file's metadata that states what it holds, as JSON

# What the readers raise on bytes that are not what they seem; any of them means a damaged file.
DAMAGED = (
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    SafetensorError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def load(path: Path) -> dict[str, Any]:
    """The file's dict: tensors, numbers, strings and containers of them, on the CPU.

    What other trainers save beside them, as paths and namespaces, is an object of `Nothing`.
    Tensors of zip and safetensors files stay on disk until they are used (memory map), so looking
    at a large file is cheap.

    Raises:
        UserError: no such file; empty, truncated or damaged; not a checkpoint; it would unfold to
            many times its size; or it holds Python objects that could run code.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder: name the checkpoint file in it.") from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    _refuse_impostors(path, head)
    try:
        content = _load(path, head)
    except pickle.UnpicklingError as error:
        if match := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise UserError(
                f"{path} holds Python objects ({match[1]}), whose loading could run code, so it is "
                "not read: save its state_dict alone, in the environment that it came from."
            ) from error
        raise _damaged(path) from error
    except DAMAGED as error:
        raise _damaged(path) from error
    if not isinstance(content, dict):
        raise UserError(
            f"{path} holds a {type(content).__name__} in place of a state dict: "
            "it is not a checkpoint of a network."
        )
    return content


def _refuse_impostors(path: Path, head: bytes) -> None:
    if not head:
        raise UserError(f"{path} is empty: fetch or copy it again.")
    if is_html(head):
        raise UserError(
            f"{path} is an HTML page, saved in place of a checkpoint: fetch the file itself."
        )
    if head.startswith(b"version https://git-lfs"):
        raise UserError(f"{path} is a Git LFS pointer, not the file: run git lfs pull.")


def _load(path: Path, head: bytes) -> Any:
    if head.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            check_unfolded(path, sum(entry.file_size for entry in archive.infolist()))
            if torchscript.is_torchscript(archive):
                return torchscript.read(archive)
            pickled = any(name.endswith("/data.pkl") for name in archive.namelist())
        if pickled:
            with harmless_allowed():
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    elif head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return _load_safetensors(path)
    elif head.startswith(b"\x80"):  # torch's format before 1.6: pickles in a row, no memory map
        with harmless_allowed():
            return torch.load(path, map_location="cpu", weights_only=True)
    raise UserError(
        f"{path} is not a checkpoint: PyTorch, TorchScript and safetensors files are read."
    )


def check_unfolded(path: Path, size: int) -> None:
    """Refuse a file that would take many times its own length in memory.

    Args:
        path: the file.
        size: bytes of what it says that it holds.

    Raises:
        UserError: it is a bomb.
    """
    if size > _MOST_UNFOLDED * path.stat().st_size + _FREE_BYTES:
        raise UserError(
            f"{path} would unfold to {size / 1e6:.0f} MB, many times its own size, which no "
            "checkpoint does: fetch it again, from a source that you trust."
        )


def _load_safetensors(path: Path) -> dict[str, Any]:
    """The tensors, and beside them what our export states of them."""
    with safetensors.safe_open(path, "pt") as file:
        stated = (file.metadata() or {}).get(METADATA)
    state = safetensors.torch.load_file(path)
    about = None if stated is None else json.loads(stated)
    return about | {"state_dict": state} if isinstance(about, dict) else state


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged or cut off: fetch or copy it again.")
