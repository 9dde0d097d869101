"""Published restorers as their authors' .pth files, through spandrel."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from w2l.errors import UserError
from w2l.restoration.restorer import (
    FACE_SIZE,
    KINDS,
    UPSCALER_SIZE,
    from_network,
    to_network,
)

# spandrel's names of the architectures that take faces.
FACES = {"GFPGAN": "gfpgan", "CodeFormer": "codeformer", "RestoreFormer": "restoreformer"}


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
        raise UserError(f"{path} holds a network for masked pictures, not a restorer.")
    model.eval()
    return model
