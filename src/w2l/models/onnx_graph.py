"""Opening an ONNX graph that takes an image, with one sentence for what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from w2l.errors import UserError
from w2l.models.onnx_size import check_size

INSTALL = 'install it with `pip install "w2l[onnx]"`'
_FLOATS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


class OnnxGraph:
    """A graph with one image as input, (B, 3, H, W) or (B, H, W, 3), maybe numbers beside it.

    Args:
        path: the file.
        device: "cpu", or a CUDA device, which is used where this onnxruntime was built for it.

    Attributes:
        batch, height, width: of the image, None where the graph leaves them open.
        numbers: names of further inputs.

    Raises:
        UserError: no onnxruntime, no ONNX file, or its inputs are of another form.
    """

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        self.path = Path(path)
        self._session = open_graph(self.path, device)
        images = [x for x in self._session.get_inputs() if len(x.shape) == 4]
        if len(images) != 1 or images[0].type not in _FLOATS:
            raise self._wrong("it takes no image of (batch, 3, height, width)")
        (image,) = images
        sides = [side if isinstance(side, int) and side > 0 else None for side in image.shape]
        self._is_channels_last = sides[1] != 3 and sides[3] == 3
        if self._is_channels_last:
            sides = [sides[0], sides[3], sides[1], sides[2]]
        batch, channels, height, width = sides
        if channels not in (3, None):
            raise self._wrong(f"its image has {channels} channels in place of 3")
        self.batch, self.height, self.width = batch, height, width
        self._image = image
        self._others = [x for x in self._session.get_inputs() if x is not image]
        self.numbers = [x.name for x in self._others]
        if any(x.type not in _FLOATS for x in self._others):
            raise self._wrong(f"its inputs {', '.join(self.numbers)} are no plain numbers")

    def __call__(self, images: np.ndarray, number: float = 0.0, axes: int = 4) -> np.ndarray:
        """The graph's first output that has so many axes, float32.

        Args:
            images: float32 (B, 3, H, W), however the graph's own layout is; run in parts where
                the graph fixes the batch.
            number: value of every further input.
            axes: 4: images or maps, (B, C, h, w); 2: a row of numbers for each image.

        Raises:
            UserError: it does not run, or has no such output.
        """
        size = self.batch or len(images)
        parts = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            missing = size - len(part)
            if missing:
                part = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
            parts.append(self._run(part, number, axes)[: size - missing])
        return np.concatenate(parts)

    def _run(self, images: np.ndarray, number: float, axes: int) -> np.ndarray:
        if self._is_channels_last:
            images = images.transpose(0, 2, 3, 1)
        feed = {self._image.name: images.astype(_FLOATS[self._image.type])}
        for other in self._others:
            shape = [side if isinstance(side, int) and side > 0 else 1 for side in other.shape]
            feed[other.name] = np.full(shape, number, _FLOATS[other.type])
        try:
            outputs = self._session.run(None, feed)
        except Exception as error:  # onnxruntime's own exceptions have no common base but this
            raise self._wrong(f"it does not run ({_first_line(error)})") from error
        for output in outputs:
            if isinstance(output, np.ndarray) and output.ndim == axes:
                return output.astype(np.float32)
        wanted = {2: "row of (batch, numbers)", 4: "image of (batch, channels, height, width)"}
        raise self._wrong(f"it gives no {wanted[axes]}")

    def _wrong(self, reason: str) -> UserError:
        return UserError(f"{self.path} is not a graph that can be used here: {reason}.")


def open_graph(path: Path, device: str) -> Any:
    """A session of onnxruntime.

    Raises:
        UserError: it is not installed, or the file is no graph.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{path.name} needs onnxruntime: {INSTALL}.") from error
    options = onnxruntime.SessionOptions()
    # As torch, whose count follows OMP_NUM_THREADS and what the machine lends this process.
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # its warnings are about the file's making
    providers: list[Any] = ["CPUExecutionProvider"]
    wanted = torch.device(device)
    if wanted.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": wanted.index or 0}))
    check_size(path)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        raise UserError(
            f"{path} cannot be read as an ONNX graph ({_first_line(error)}): check the file."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200].rstrip(".")
