"""Small ONNX graphs in place of published networks: their inputs and outputs, known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx makes the stand-in graphs")
pytest.importorskip("onnxruntime", reason="onnxruntime runs the stand-in graphs")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

Side = int | str


def save(
    path: Path,
    nodes: list,
    constants: dict[str, np.ndarray],
    *,
    batch: Side = "n",
    side: Side = 512,
    out: tuple[int, Side] = (3, 512),
    weight: bool = False,
) -> Path:
    """A graph from `x` (batch, 3, side, side), and maybe `weight`, to `y`."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])]
    if weight:
        inputs.append(helper.make_tensor_value_info("weight", TensorProto.DOUBLE, [1]))
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, out[0], out[1], out[1]])
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "stand-in", inputs, [output], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def identity(path: Path, **form) -> Path:
    return save(path, [helper.make_node("Identity", ["x"], ["y"])], {}, **form)


def inverse(path: Path, **form) -> Path:
    """The negative, for the range of −1 to 1."""
    return save(path, [helper.make_node("Neg", ["x"], ["y"])], {}, **form)


def constant(path: Path, value: float, **form) -> Path:
    """An image of one value."""
    zero = {"zero": np.zeros(1, np.float32), "value": np.full(1, value, np.float32)}
    nodes = [
        helper.make_node("Mul", ["x", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "value"], ["y"]),
    ]
    return save(path, nodes, zero, **form)


def only_first_channel(path: Path, **form) -> Path:
    """Channels 1 and 2 become black in the range of −1 to 1."""
    kept = np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1)
    nodes = [
        helper.make_node("Mul", ["x", "kept"], ["part"]),
        helper.make_node("Sub", ["part", "black"], ["y"]),
    ]
    return save(path, nodes, {"kept": kept, "black": 1 - kept}, **form)


def fidelity(path: Path) -> Path:
    """An image whose value is the number beside it."""
    nodes = [
        helper.make_node("Mul", ["x", "zero"], ["nothing"]),
        helper.make_node("Cast", ["weight"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["nothing", "number"], ["y"]),
    ]
    return save(path, nodes, {"zero": np.zeros(1, np.float32)}, weight=True)


def twice(path: Path) -> Path:
    """Each pixel twice in both directions, any size."""
    mode = {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest", **mode)
    scales = {"scales": np.array([1, 1, 2, 2], np.float32)}
    return save(path, [node], scales, side="s", out=(3, "t"))


def parser(path: Path) -> Path:
    """Skin (class 1) where the image is red rather than blue, else background."""
    weight = np.zeros((19, 3, 1, 1), np.float32)
    weight[1, 0], weight[1, 2] = 1, -1
    bias = np.full(19, -9, np.float32)
    bias[:2] = 0
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"])
    return save(path, [node], {"w": weight, "b": bias}, out=(19, 512))
