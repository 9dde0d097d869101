"""`FaceGenerator`: face crops and speech in, the same faces saying it out. Knows no files."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from w2l.boxes import PUBLISHED_PADS
from w2l.components import LipGenerator
from w2l.cores import Cores
from w2l.errors import UserError
from w2l.inference.provenance import Computed
from w2l.memory import Shrinking, give_back
from w2l.models import masked_and_reference
from w2l.trials import distrust_amx

distrust_amx()  # here, as it is of no use after the first layer
Precision = Literal["float32", "bfloat16"]
# Windows that a core takes at once. Fewer read the deep layers' weights more often; more take more
# memory, and where that is over 32 MB it is fetched from the system each time.
AT_ONCE_CPU = 4
MOST_CORES = 4  # measured on two; with many a part of a batch would be a face or two


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" is the first CUDA device, else the CPU.

    Raises:
        UserError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # torch built without CUDA asserts; what is no text has the wrong type.
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        raise UserError(
            f"device={name} is not usable on this machine: take device=auto or device=cpu."
        ) from error
    return device


class FaceGenerator:
    """A generator ready to work on batches of 8-bit crops; usable from several threads.

    Args:
        generator: a network of torch is put into evaluation mode and moved to the device. What it
            offers beyond the protocol is used: `folded()`, a quicker form of it; of that
            `for_cpu()`, `lower_half()` and `encode()` (see `FoldedGenerator`).
        device: "auto", "cpu", "cuda", "cuda:1", …
        precision: "float32" or "bfloat16". Networks that offer `folded()` compute in it, but for
            the colours of those with `skip`; others under autocast. Processors without units for
            it are slower so (`build_generator` tries it).
        pads: pixels (top, bottom, left, right) beyond a detected box in the faces that it was
            trained on; None: as of published ones.
        spread: on a CPU, one thread a core, each with a part of the batch, and not torch's threads
            within each layer; None: on up to MOST_CORES.

    Example:
        >>> from w2l.models import Generator
        >>> lipsync = FaceGenerator(Generator(width=0.125), device="cpu")
        >>> face = np.zeros((1, 96, 96, 3), np.uint8)
        >>> lipsync(face, np.zeros((1, 80, 16), np.float32)).shape
        (1, 96, 96, 3)
    """

    def __init__(
        self,
        generator: LipGenerator,
        device: str = "auto",
        precision: Precision = "float32",
        pads: tuple[int, int, int, int] | None = None,
        spread: bool | None = None,
    ) -> None:
        self.pads = PUBLISHED_PADS if pads is None else pads
        folded: Any = getattr(generator, "folded", None)
        self.generator: LipGenerator = generator if folded is None else folded()
        self.device = torch.device("cpu")
        self.precision: Precision = "float32"
        self._context: Callable[[], AbstractContextManager[None]] = nullcontext
        n_cores = 1
        if isinstance(self.generator, nn.Module):
            self.device = pick_device(device)
            self.precision = precision
            threads = torch.get_num_threads()
            if self.device.type == "cpu" and (threads <= MOST_CORES if spread is None else spread):
                n_cores = threads
            # channels_last is a fifth faster on the CPU and equal to 1e-4 of the range.
            self.generator.eval().to(self.device)
            self.generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if self.device.type == "cpu" and (ready := getattr(self.generator, "for_cpu", None)):
                ready()
            if precision == "bfloat16" and folded is None:
                self._context = partial(torch.autocast, self.device.type, torch.bfloat16)
            elif precision == "bfloat16":
                self.generator.to(torch.bfloat16)
            if self.device.type == "cpu":
                give_back()  # what the weights took in their other forms
        self.image_size = int(self.generator.config["image_size"])
        self.lead_frames = int(self.generator.config["lead_frames"])
        self._last: tuple[np.ndarray, Any] | None = None  # a face, and what it was encoded to
        self._cores = Cores(n_cores)
        self._fitting = self._batches()

    def lower_half(self) -> FaceGenerator:
        """The same, but only for what `blend` takes: rows above keep the given face's pixels."""
        half: Any = getattr(self.generator, "lower_half", None)
        if half is None:  # somebody's own: it gives the whole face, of which less is taken
            return self
        other = copy.copy(self)
        other.generator, other._last = half(), None
        other._fitting = other._batches()
        return other

    @property
    def computed(self) -> Computed:
        """What it computes in, by which runtime.

        In its precision, or "tf32", to which a GPU's float32 is rounded.

        That is what torch and ONNX Runtime do unless they are told otherwise, on GPUs that can.
        """
        given: str = getattr(self.generator, "precision", self.precision)
        on_gpu = self.device.type == "cuda" or getattr(self.generator, "on_gpu", False)
        rounds = given == "float32" and on_gpu and torch.backends.cudnn.allow_tf32
        if rounds and torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8:
            given = "tf32"
        return Computed(given, getattr(self.generator, "runtime", "torch"))

    @property
    def at_once(self) -> int | None:
        """Faces that go through at once, where more would not; None: as many as are given."""
        return self._fitting.limit

    def _batches(self) -> Shrinking[np.ndarray]:
        on_gpu = self.device.type != "cpu" or getattr(self.generator, "on_gpu", False)
        limit = None if on_gpu else AT_ONCE_CPU * self._cores.n
        return Shrinking(partial(self._cores, self._generate), limit)

    def __call__(
        self, faces: Sequence[np.ndarray] | np.ndarray, mels: Sequence[np.ndarray] | np.ndarray
    ) -> np.ndarray:
        """Generate one batch.

        Args:
            faces: B crops, uint8 (S, S, 3) BGR, S = `image_size`.
            mels: B mel windows, float32 (80, 16) in [-4, 4].

        Returns:
            uint8 (B, S, S, 3) BGR; values are truncated as published, not rounded.

        Raises:
            UserError: there is no memory for one face.
        """
        crops, windows = np.stack(list(faces)), np.stack(list(mels))
        for crop, generated in zip(crops, self._fitting(crops, windows), strict=True):
            crop[-len(generated) :] = generated
        return crops

    def _generate(self, faces: np.ndarray, mels: np.ndarray) -> np.ndarray:
        """The last rows of each face, as many as the network gives."""
        generator: Any = self.generator
        is_still = hasattr(generator, "encode") and bool((faces == faces[:1]).all())
        if is_still:
            faces = faces[:1]
        mel = torch.from_numpy(mels).to(self.device).unsqueeze(1)
        with torch.inference_mode(), self._context():
            face = masked_and_reference(torch.from_numpy(faces).to(self.device))
            out = generator(mel, face, *([self._encoded(faces, face)] if is_still else []))
            frames = (out.float() * 255).to(torch.uint8).permute(0, 2, 3, 1)
        return frames.cpu().numpy()

    def _encoded(self, crop: np.ndarray, face: torch.Tensor) -> Any:
        """What a face is encoded to; of the same one as the last time, it is known."""
        known = self._last
        if known is None or not np.array_equal(known[0], crop):
            generator: Any = self.generator
            known = self._last = crop.copy(), generator.encode(face)
        return known[1]
