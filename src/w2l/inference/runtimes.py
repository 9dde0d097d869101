"""One generator, three runtimes: torch, ONNX Runtime, OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from w2l import __version__, weights
from w2l.checkpoints import (
    Inputs,
    Pads,
    export_onnx,
    load_generator,
    onnx_config,
    onnx_inputs,
    read,
    resolve,
)
from w2l.checkpoints.onnx import onnx_package
from w2l.errors import UserError, either
from w2l.files import sha256
from w2l.inference.fastest import Choice, Runtime, fastest
from w2l.inference.lipsync import FaceGenerator, Precision

Auto = Literal["auto"]
AUTO: Auto = "auto"
RUNTIMES: tuple[Runtime | Auto, ...] = (AUTO, "torch", "onnx", "openvino")
T = TypeVar("T")
Run = Callable[[np.ndarray, np.ndarray], np.ndarray]  # audio and face → frames, all float32


def build_generator(
    name_or_file: str | Path,
    *,
    runtime: Runtime | Auto = AUTO,
    device: str = "auto",
    precision: Precision | Auto = AUTO,
) -> FaceGenerator:
    """A generator from a checkpoint, a registry name, or an ONNX file.

    Runtimes other than torch are given an ONNX file that is exported on first use, and kept beside
    the downloaded weights. Their 8-bit faces differ by one level at most, and that rarely.

    Args:
        name_or_file: an ONNX file is one by its ending; it is for runtimes other than torch.
        runtime: "torch", "onnx" (extra `onnx`) or "openvino" (extra `openvino`); "auto": the
            quickest here of those installed (`w2l.inference.fastest`); "onnx" of an ONNX file.
        device: "auto", "cpu", "cuda", …; OpenVINO runs on the CPU.
        precision: "float32" or, by torch and OpenVINO, "bfloat16"; "auto": bfloat16 where it is
            quicker here and the faces of this generator stay at 45 dB to float32 at least.

    Raises:
        UserError: no such file or name, it holds something else, the runtime is not installed, or
            it has no such device or precision.
    """
    if runtime not in RUNTIMES:
        raise UserError(f"runtime={runtime} is not available: choose {either(RUNTIMES)}.")
    path = resolve(name_or_file)
    wanted = None if runtime == AUTO else runtime
    exactly = None if precision == AUTO else precision
    if wanted == "onnx":
        exactly = exactly or "float32"  # it has no other
    if path.suffix.lower() == ".onnx":
        if runtime == "torch":
            raise UserError(f"{path} is an ONNX file: take runtime=onnx or runtime=openvino.")
        return run_as(path, Choice(wanted or "onnx", exactly or "float32"), device)
    if wanted is None or exactly is None:
        return run_as(path, fastest(path, device, wanted, exactly), device)
    return run_as(path, Choice(wanted, exactly), device)


def run_as(path: Path, choice: Choice, device: str) -> FaceGenerator:
    """A file's generator, run so.

    Raises:
        UserError: as `build_generator`.
    """
    if choice.runtime == "torch":
        network, pads = load_generator(path, mapped=True), read(path, "generator").pads
        return FaceGenerator(network, device, choice.precision, pads, choice.spread)
    exported = ExportedGenerator(path, choice.runtime, device, choice.precision)
    return FaceGenerator(exported, pads=exported.pads)


class ExportedGenerator:
    """A generator run from an ONNX file: a `LipGenerator`, loaded when it is first called.

    Args:
        path: the ONNX file, or the checkpoint to export.
        runtime, device, precision: as for `build_generator`.
        lower_half: give only what `FoldedGenerator.lower_half` does.

    Attributes:
        on_gpu: whether it computes there; what it takes and gives lies on the CPU.
        precision, runtime: as they were given.
        pads: of the faces that it was trained on; None: not known.
    """

    def __init__(
        self,
        path: Path,
        runtime: Runtime,
        device: str,
        precision: Precision,
        *,
        lower_half: bool = False,
    ) -> None:
        onnx_package()
        self.on_gpu = False
        self.precision, self.runtime = precision, runtime
        if runtime == "onnx":
            providers = _providers(device)
            self.on_gpu = len(providers) > 1
            self._open = _onnxruntime(providers, precision)
        else:
            self._open = _openvino(device, precision)
        self._arguments = (path, runtime, device, precision)
        self._is_onnx = path.suffix.lower() == ".onnx"
        self._lower_half = lower_half
        self._lock = Lock()
        self._run: Run | None = None
        self._inputs = Inputs()
        self.pads: Pads | None
        self.config: dict[str, Any]
        if self._is_onnx:
            self.config, self.pads = onnx_config(path)
            self._inputs = onnx_inputs(path)
        else:
            self.config, self.pads = load_generator(path).config, read(path, "generator").pads

    def lower_half(self) -> ExportedGenerator:
        """One for the lower half; a given ONNX file goes on giving all of what it gives."""
        return self if self._is_onnx else ExportedGenerator(*self._arguments, lower_half=True)

    def __call__(self, audio: Tensor, face: Tensor) -> Tensor:
        """As `FoldedGenerator.forward`, with as many faces as windows, on the CPU."""
        with self._lock:  # only until it is there: calls themselves go side by side
            if self._run is None:
                path = self._arguments[0]
                graph = path if self._is_onnx else exported(path, self._lower_half)
                with self._refusals():
                    self._run = self._open(graph, self._inputs)
        with self._refusals():
            frames = self._in_parts(audio.contiguous().numpy(), face.contiguous().numpy())
        size = int(self.config["image_size"])
        if self._is_onnx and frames.shape != (len(audio), 3, size, size):
            raise UserError(
                f"{self._arguments[0]} gives {frames.shape}, and faces of {size} pixels are "
                "wanted: export it again."
            )
        return torch.from_numpy(frames)

    def _in_parts(self, audio: np.ndarray, face: np.ndarray) -> np.ndarray:
        """All at once, or as many at a time as the graph takes, the last ones repeated."""
        assert self._run is not None
        step = self._inputs.batch
        if step is None:
            return self._run(audio, face)
        parts = []
        for start in range(0, len(face), step):
            index = np.minimum(np.arange(start, start + step), len(face) - 1)
            parts.append(self._run(audio[index], face[index]))
        return np.concatenate(parts)[: len(face)]

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Within, what a runtime says against a file that was given becomes a sentence."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # the runtimes' own have no common base but this
            if not self._is_onnx:
                raise
            first = " ".join(str(error).split())[:200]
            raise UserError(
                f"{self._arguments[0]} is refused by runtime={self._arguments[1]} ({first}): "
                "export it again."
            ) from error


def exported(checkpoint: Path, lower_half: bool) -> Path:
    """The checkpoint's ONNX file in the cache, written there if it is not yet."""
    rows = "lower" if lower_half else "whole"
    name = f"{checkpoint.stem}-{sha256(checkpoint)[:16]}-{rows}-{__version__}.onnx"
    path = weights.cache_folder() / "onnx" / name
    if not path.is_file():
        export_onnx(checkpoint, path, "generator", lower_half=lower_half)
    return path


def _providers(device: str) -> list[Any]:
    """What ONNX Runtime is to compute on, best first; the CPU is always the last.

    Raises:
        UserError: it is not installed, or has no such device.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            "runtime=onnx needs a package that is not installed: pip install 'w2l[onnx]'."
        ) from error
    providers: list[Any] = ["CPUExecutionProvider"]
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device.startswith("cuda") and not has_cuda:
        raise UserError(
            f"device={device} needs the package onnxruntime-gpu in place of onnxruntime: install "
            "it, or take device=cpu."
        )
    if has_cuda and device != "cpu":
        index = torch.device(device).index if device.startswith("cuda") else None
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": index or 0}))
    return providers


def _onnxruntime(providers: list[Any], precision: Precision) -> Callable[[Path, Inputs], Run]:
    import onnxruntime

    if precision != "float32":
        raise UserError(f"runtime=onnx has no precision={precision}: take precision=float32.")

    def load(path: Path, inputs: Inputs) -> Run:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=providers)

        def run(audio: np.ndarray, face: np.ndarray) -> np.ndarray:
            frames: np.ndarray = session.run(None, {inputs.audio: audio, inputs.face: face})[0]
            return frames

        return run

    return load


@cache
def _the_only(kind: type[T]) -> T:
    """The process's one object of this type, which is never given up.

    An OpenVINO core that ends puts back the stack for signals that it found, which may be that of
    another one that ended before: the next Ctrl-C would then crash.
    """
    return kind()


def _openvino(device: str, precision: Precision) -> Callable[[Path, Inputs], Run]:
    try:
        import openvino
    except ImportError as error:
        raise UserError(
            "runtime=openvino needs a package that is not installed: pip install 'w2l[openvino]'."
        ) from error
    if device not in {"auto", "cpu"}:
        raise UserError(f"device={device}: runtime=openvino runs on the CPU, take device=cpu.")

    def load(path: Path, inputs: Inputs) -> Run:
        core = _the_only(openvino.Core)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        compiled = core.compile_model(core.read_model(path), "CPU", settings)

        def run(audio: np.ndarray, face: np.ndarray) -> np.ndarray:
            # A request for each call, since one serves one thread only.
            request = compiled.create_infer_request()
            request.infer({inputs.audio: audio, inputs.face: face})
            return np.array(request.get_output_tensor(0).data)

        return run

    return load
