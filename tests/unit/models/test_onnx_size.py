"""Graphs that state more than they hold are not loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from w2l.errors import UserError
from w2l.models.onnx_graph import OnnxGraph
from w2l.models.onnx_size import check_size

onnx = pytest.importorskip("onnx")
HUGE = [1_000_000, 1_000_000]


def save(path: Path, nodes: list[Any], tensors: list[Any]) -> Path:
    h = onnx.helper
    image = h.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    graph = h.make_graph(nodes, "g", [image], [h.make_empty_tensor_value_info("y")], tensors)
    path.write_bytes(h.make_model(graph).SerializeToString())
    return path


def bombs() -> dict[str, tuple[list[Any], list[Any]]]:
    h = onnx.helper
    add = h.make_node("Add", ["x", "w"], ["y"])
    short = onnx.TensorProto(name="w", data_type=1, dims=HUGE, raw_data=b"1234")
    outside = onnx.TensorProto(name="w", data_type=1, dims=[16], data_location=1)
    outside.external_data.add(key="location", value="/dev/zero")
    shape = onnx.numpy_helper.from_array(np.array(HUGE), "s")
    of_shape = h.make_node("ConstantOfShape", ["s"], ["w"])
    constant = h.make_node("Constant", [], ["s"], value=shape)
    branch = h.make_graph([constant, of_shape], "b", [], [], [])
    inner = h.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    return {
        "a short tensor": ([add], [short]),
        "another file": ([add], [outside]),
        "a shape": ([of_shape, add], [shape]),
        "a shape in a branch": ([inner], []),
    }


@pytest.mark.parametrize("kind", bombs())
def test_a_bomb_is_refused(kind: str, tmp_path: Path) -> None:
    path = save(tmp_path / "bomb.onnx", *bombs()[kind])
    with pytest.raises(UserError, match=r"bomb\.onnx is not loaded: "):
        OnnxGraph(path)


def test_plain_graphs_and_a_file_beside_them_pass(tmp_path: Path) -> None:
    add = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    array = np.ones((1, 3, 8, 8), np.float32)
    check_size(save(tmp_path / "a.onnx", [add], [onnx.numpy_helper.from_array(array, "w")]))
    beside = onnx.TensorProto(name="w", data_type=1, dims=array.shape, data_location=1)
    beside.external_data.add(key="location", value="w.bin")
    path = save(tmp_path / "b.onnx", [add], [beside])
    with pytest.raises(UserError, match=r"w\.bin beside it has 0 bytes"):
        check_size(path)
    (tmp_path / "w.bin").write_bytes(array.tobytes())
    check_size(path)
    (tmp_path / "c.onnx").write_bytes(b"<html>")
    with pytest.raises(UserError, match="cannot be read as an ONNX graph"):
        check_size(tmp_path / "c.onnx")
