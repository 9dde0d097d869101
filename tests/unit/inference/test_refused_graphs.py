"""An ONNX file that a runtime refuses is one sentence, whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from w2l.errors import UserError
from w2l.inference.runtimes import ExportedGenerator

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT

AUDIO, FACE = ("audio", ["b", 1, 80, 16]), ("face", ["b", 6, 48, 48])
GRAPHS = {
    "an operator that nobody knows": ("NoSuchOp", ["face"], [AUDIO, FACE], "48"),
    "shapes that do not fit": ("MatMul", ["audio", "face"], [AUDIO, FACE], "48"),
    "other inputs": ("Identity", ["face"], [FACE], "48"),
    "another image": ("Identity", ["face"], [AUDIO, FACE], "48"),
    "a size that is none": ("Identity", ["face"], [AUDIO, FACE], "large"),
}


def run(path: Path, runtime) -> None:
    network = ExportedGenerator(path, runtime, "cpu", "float32")
    network(torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 48, 48))


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize("what", GRAPHS)
def test_a_refused_graph_is_one_sentence(tmp_path: Path, what: str, runtime) -> None:
    pytest.importorskip("onnxruntime" if runtime == "onnx" else "openvino")
    operator, takes, inputs, size = GRAPHS[what]
    values = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs]
    result = helper.make_tensor_value_info("frame", FLOAT, None)
    node = helper.make_node(operator, takes, ["frame"])
    graph = helper.make_graph([node], "g", values, [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    about = {"network": "generator", "width": "1", "image_size": size, "lead_frames": "0"}
    helper.set_model_props(model, {f"w2l.{key}": value for key, value in about.items()})
    onnx.save(model, tmp_path / "g.onnx")
    with pytest.raises(UserError, match=r"g\.onnx .*export it again\.$") as caught:
        run(tmp_path / "g.onnx", runtime)
    assert "\n" not in str(caught.value)
