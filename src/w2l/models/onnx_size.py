"""What an ONNX graph states of its size, read from the file before a runtime believes it."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

from w2l.errors import UserError

MOST = 2**28  # elements of a tensor that is made of nothing but its shape
DEPTH = 16  # graphs within graphs
# Numbers of the fields in onnx.proto.
GRAPH, NODE, INITIALIZER = 7, 1, 5
INPUT, OUTPUT, OP, ATTRIBUTE = 1, 2, 4, 5
TENSORS, GRAPHS = (5, 10), (6, 11)  # of an attribute
DIMS, TYPE, INT64S, NAME, RAW, EXTERNAL, LOCATION = 1, 2, 7, 8, 9, 13, 14
INT64 = 7  # a type
SHAPED = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}  # operation → its input with the shape


def check_size(path: Path) -> None:
    """Refuse a graph whose tensors are larger than what the file holds of them.

    A runtime makes room for what is stated, and computes what is constant, as it loads a graph.

    Raises:
        UserError: it is so, or the file is no graph.
    """
    try:
        # Not mapped: views would outlive the map where an error holds them.
        for number, value in _fields(memoryview(path.read_bytes())):
            if number == GRAPH and isinstance(value, memoryview):
                _check_graph(value, path, 0)
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read as an ONNX graph: check the file.") from error


def _check_graph(graph: memoryview, path: Path, depth: int) -> None:
    if depth > DEPTH:
        raise UserError(f"{path} has graphs within graphs, {DEPTH} deep: it is not loaded.")
    shapes: dict[bytes, int] = {}  # of constants that may be shapes: the product of their values
    asked: list[tuple[str, bytes]] = []
    for number, part in _fields(graph):
        if number == INITIALIZER and isinstance(part, memoryview):
            name, size = _check_tensor(part, path)
            shapes[name] = size
        elif number == NODE and isinstance(part, memoryview):
            _check_node(part, path, depth, shapes, asked)
    for operation, name in asked:
        if shapes.get(name, 0) > MOST:
            raise UserError(
                f"{path} is not loaded: its {operation} would make {shapes[name]:.3g} numbers."
            )


def _check_node(
    node: memoryview, path: Path, depth: int, shapes: dict[bytes, int],
    asked: list[tuple[str, bytes]],
) -> None:  # fmt: skip
    inputs, outputs, operation = [], [], ""
    for number, part in _fields(node):
        if not isinstance(part, memoryview):
            continue
        if number == INPUT:
            inputs.append(bytes(part))
        elif number == OUTPUT:
            outputs.append(bytes(part))
        elif number == OP:
            operation = bytes(part[:64]).decode("ascii", "replace")
        elif number == ATTRIBUTE:
            for kind, value in _fields(part):
                if kind in TENSORS and isinstance(value, memoryview):
                    _, size = _check_tensor(value, path)
                    shapes.update(dict.fromkeys(outputs[:1], size))
                elif kind in GRAPHS and isinstance(value, memoryview):
                    _check_graph(value, path, depth + 1)
    place = SHAPED.get(operation)
    if place is not None and place < len(inputs):
        asked.append((operation, inputs[place]))


def _check_tensor(tensor: memoryview, path: Path) -> tuple[bytes, int]:
    """Its name, and where it is a list of integers, their product; else 0."""
    dims: list[int] = []
    values: list[int] = []
    name, kind, is_external, beside = b"", 0, False, ""
    for number, part in _fields(tensor):
        if number == DIMS:
            dims += [part] if isinstance(part, int) else _packed(part)
        elif number == TYPE and isinstance(part, int):
            kind = part
        elif number == LOCATION:
            is_external = part == 1
        elif number == INT64S:
            values += [part] if isinstance(part, int) else _packed(part[:4096])
        elif isinstance(part, memoryview) and number == NAME:
            name = bytes(part)
        elif isinstance(part, memoryview) and number == RAW and len(part) <= 128:
            if kind in (0, INT64) and len(part) % 8 == 0:
                values += memoryview(bytes(part)).cast("q").tolist()
        elif isinstance(part, memoryview) and number == EXTERNAL:
            entry = {k: bytes(v) for k, v in _fields(part) if isinstance(v, memoryview)}
            if entry.get(1) == b"location":
                beside = entry.get(2, b"").decode("utf-8", "surrogateescape")
    held = len(tensor)
    if is_external:
        file = (path.parent / beside).resolve()
        inside = path.parent.resolve() in file.parents and file.is_file()
        held = file.stat().st_size if inside else 0
    if prod(dims) > held:  # no element takes less than a byte
        where = f"{beside or 'a file'} beside it" if is_external else "the file"
        raise UserError(
            f"{path} is not loaded: it states a tensor of {prod(dims):.3g} numbers, of which "
            f"{where} has {held} bytes."
        )
    return name, prod(values) if kind == INT64 and len(dims) == 1 else 0


def _packed(part: memoryview) -> list[int]:
    values, i = [], 0
    while i < len(part):
        value, i = _varint(part, i)
        values.append(value)
    return values


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values of a Protocol Buffers message; those of a fixed width are passed over.

    Raises:
        ValueError: it is none.
    """
    i = 0
    while i < len(data):
        key, i = _varint(data, i)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, i = _varint(data, i)
            yield number, value
            continue
        if kind == 2:
            size, i = _varint(data, i)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("no such wire type")
        if i + size > len(data):
            raise ValueError("cut off")
        if kind == 2:
            yield number, data[i : i + size]
        i += size


def _varint(data: memoryview, i: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if i >= len(data) or shift > 63:
            raise ValueError("no number")
        byte = data[i]
        value |= (byte & 127) << shift
        i, shift = i + 1, shift + 7
        if byte < 128:
            return value, i
