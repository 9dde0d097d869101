"""Restorers: by sharpening, and by the published kinds of networks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from w2l.errors import UserError
from w2l.models.onnx_graph import OnnxGraph

RADIUS = 0.012  # standard deviation of the blur, as a share of the face's height
AMOUNT = 0.6  # share of what the blur removes that is added once more
PROBE = 64  # px: of the image that shows an upscaler's factor
# spandrel's names of the architectures that take faces.
FACES = {"GFPGAN": "gfpgan", "CodeFormer": "codeformer", "RestoreFormer": "restoreformer"}
UPSCALER_SIZE = 128  # px: of the crop for an upscaler that takes any, about what was generated
FACE_SIZE = 512  # px: that the published face restorers were trained at


class Sharpen:
    """Unsharp mask: the face plus 0.6 of its difference from itself blurred.

    The blur's radius grows with the face (1.2 % of its height, 0.8 px at least), since a face
    generated at 96 px is enlarged with the box. It brings back contrast at edges, and no detail.
    """

    label = "sharpening (unsharp mask), no restoration network"
    generates = False
    size = None
    aligned = False

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Sharpen a batch, uint8 (B, H, W, 3) BGR."""
        sigma = max(0.8, RADIUS * faces.shape[1])
        restored = np.empty_like(faces)
        for face, out in zip(faces, restored, strict=True):
            blurred = cv2.GaussianBlur(face, (0, 0), sigma)
            cv2.addWeighted(face, 1 + AMOUNT, blurred, -AMOUNT, 0, dst=out)
        return restored


class OnnxRestorer:
    """GFPGAN, CodeFormer, RestoreFormer or (Real-)ESRGAN from an ONNX file.

    The kind is told by the graph: a number beside the image is CodeFormer's fidelity, a larger
    image as output is an upscaler's, and 512 px in and out is a face restorer's (GFPGAN's and
    RestoreFormer's graphs look alike and are used alike).

    Args:
        path: the file.
        kind: a name of `KINDS`; None: as told above.
        fidelity: CodeFormer's w in [0, 1]: 0 restores most, 1 stays nearest to what was given.
        device: "cpu", "cuda", "cuda:1", …

    Raises:
        UserError: the file is no such graph, or its kind cannot be told.
    """

    generates = True

    def __init__(
        self,
        path: str | Path,
        kind: str | None = None,
        fidelity: float = 0.5,
        device: str = "cpu",
    ) -> None:
        self._graph = OnnxGraph(path, device)
        self._fidelity = fidelity
        name = kind or self._told()
        self._kind = KINDS[name]
        self.aligned = self._kind.aligned
        self.label = f"{self._kind.label} ({Path(path).name})"
        height, width = self._graph.height, self._graph.width
        if height != width and None not in (height, width):
            raise UserError(f"{path} takes images of {width}×{height}, where a square is wanted.")
        self.size = height or width or (FACE_SIZE if self.aligned else UPSCALER_SIZE)

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Restore a batch, uint8 (B, size, size, 3) BGR."""
        output = self._graph(to_network(faces, self._kind), self._fidelity)
        if output.shape[1] != 3 or output.shape[2] != output.shape[3]:
            raise UserError(
                f"{self._graph.path} is no restorer: it gives {output.shape[1:]} where an image "
                "of (3, height, width) is wanted."
            )
        return from_network(output, self._kind)

    def _told(self) -> str:
        graph = self._graph
        if len(graph.numbers) == 1:
            return "codeformer"
        if not graph.numbers:
            side = graph.height or graph.width or PROBE
            output = graph(np.zeros((1, 3, side, graph.width or side), np.float32))
            if output.shape[1] == 3 and output.shape[2] > side:
                return "esrgan"
            if output.shape[1] == 3 and output.shape[2] == side == FACE_SIZE:
                return "gfpgan"
        raise UserError(
            f"{graph.path}: which restorer it is cannot be told from the graph: name it, "
            f"restorer.kind={'|'.join(KINDS)}."
        )


class SpandrelRestorer:
    """A checkpoint of GFPGAN, CodeFormer, RestoreFormer or an upscaler that spandrel knows.

    Args:
        path: the file.
        fidelity: CodeFormer's w in [0, 1].
        device: "cpu", "cuda", …

    Raises:
        UserError: spandrel cannot be imported here, or does not know the file.
    """

    generates = True

    def __init__(self, path: str | Path, fidelity: float = 0.5, device: str = "cpu") -> None:
        self._path, self._device = Path(path), torch.device(device)
        descriptor = _load(self._path, self._device)
        name = FACES.get(descriptor.architecture.id)
        if name is None and descriptor.scale < 2:
            raise UserError(
                f"{path} holds {descriptor.architecture.name}, which restores no faces: "
                "take GFPGAN, CodeFormer, RestoreFormer or an upscaler such as Real-ESRGAN."
            )
        self._kind = KINDS[name or "esrgan"]
        # spandrel's own call shows faces in [0, 1], where these networks learned [-1, 1].
        self._network = descriptor.model if name else descriptor
        options: dict[str, dict[str, Any]] = {
            "gfpgan": {"return_rgb": False, "randomize_noise": False},  # new noise would flicker
            "codeformer": {"weight": fidelity},
        }
        self._options = options.get(name or "", {})
        self.aligned = self._kind.aligned
        self.size = FACE_SIZE if self.aligned else UPSCALER_SIZE
        label = self._kind.label if name else descriptor.architecture.name
        self.label = f"{label} ({self._path.name})"

    @torch.inference_mode()
    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Restore a batch, uint8 (B, size, size, 3) BGR, one face after the other."""
        restored = []
        for face in to_network(faces, self._kind):
            output = self._network(torch.from_numpy(face[None]).to(self._device), **self._options)
            output = output[0] if isinstance(output, tuple) else output
            restored.append(output.float().cpu().numpy())
        return from_network(np.concatenate(restored), self._kind)


def import_spandrel() -> Any:
    """Import spandrel, and have it know the architectures of its second package."""
    with warnings.catch_warnings():  # torch's own, for each user of its TorchScript
        warnings.filterwarnings("ignore", ".*torch.jit.script.*")
        import spandrel
        import spandrel_extra_arches
    spandrel_extra_arches.install(ignore_duplicates=True)
    return spandrel


def _load(path: Path, device: torch.device) -> Any:
    try:
        spandrel = import_spandrel()
    except Exception as error:  # a torchvision that does not fit torch dies in many ways
        raise UserError(
            f"{path.name} needs spandrel and a torchvision that fits torch {torch.__version__} "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}): "
            'install `pip install "w2l[restore]"`, or give the network as .onnx.'
        ) from error
    try:
        model = spandrel.ModelLoader(device=device).load_from_file(path)
    except Exception as error:
        raise UserError(
            f"{path} is no restoration network that spandrel knows "
            f"({type(error).__name__}): check the file."
        ) from error
    if not isinstance(model, spandrel.ImageModelDescriptor):
        raise UserError(f"{path} holds a network for masked images, not a restorer.")
    model.eval()
    return model


class Kind(NamedTuple):
    """How a published family of networks wants its images, RGB (B, 3, H, W)."""

    label: str
    low: float  # value of black
    high: float  # value of white
    aligned: bool


KINDS = {
    "gfpgan": Kind("GFPGAN", -1.0, 1.0, True),
    "codeformer": Kind("CodeFormer", -1.0, 1.0, True),
    "restoreformer": Kind("RestoreFormer", -1.0, 1.0, True),
    "esrgan": Kind("ESRGAN", 0.0, 1.0, False),
}


def to_network(faces: np.ndarray, kind: Kind) -> np.ndarray:
    """Images, uint8 (B, H, W, 3) BGR, as a network of this kind wants them, float32."""
    rgb = faces[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    return np.ascontiguousarray(rgb * ((kind.high - kind.low) / 255) + kind.low)


def from_network(output: np.ndarray, kind: Kind) -> np.ndarray:
    """The inverse of `to_network`, rounded and clipped."""
    levels = (output.astype(np.float32) - kind.low) * (255 / (kind.high - kind.low))
    bgr = np.clip(np.rint(levels), 0, 255).astype(np.uint8)[:, ::-1]
    return np.ascontiguousarray(bgr.transpose(0, 2, 3, 1))
