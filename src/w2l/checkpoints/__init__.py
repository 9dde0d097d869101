"""Checkpoints of every packing: published, TorchScript, safetensors and our own.

No code in a file is ever run: pickles are read for tensors and plain values only.
`python -m w2l.checkpoints in.ckpt out.pth` converts one of ours to the published format,
`in.ckpt out.safetensors` to safetensors, `in.pth out.onnx` any to ONNX, `in.ckpt out/` to a folder
with a model card.
"""

from w2l.checkpoints.load import (
    AUTO,
    ENOUGH_SPEAKERS,
    Checkpoint,
    chosen_generator,
    load_bisenet,
    load_discriminator,
    load_expert,
    load_generator,
    load_inception,
    load_lpips,
    load_syncnet,
    read,
    resolve,
)
from w2l.checkpoints.model_folder import write_model_folder
from w2l.checkpoints.networks import Pads, describe
from w2l.checkpoints.onnx import Inputs, export_onnx, onnx_config, onnx_inputs
from w2l.checkpoints.publish import export, export_safetensors

__all__ = [
    "AUTO",
    "ENOUGH_SPEAKERS",
    "Checkpoint",
    "Inputs",
    "Pads",
    "chosen_generator",
    "describe",
    "export",
    "export_onnx",
    "export_safetensors",
    "load_bisenet",
    "load_discriminator",
    "load_expert",
    "load_generator",
    "load_inception",
    "load_lpips",
    "load_syncnet",
    "onnx_config",
    "onnx_inputs",
    "read",
    "resolve",
    "write_model_folder",
]
