"""Is a face good enough to learn from: large, sharp, lit, and turned to the camera?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from preprocess.rejection import BLURRED, LIGHT, SMALL, TURNED, RejectedError
from preprocess.settings import Quality
from w2l.faces.track import head_pose

SIDE = 96  # pixels, at which sharpness is measured whatever the size of the face
EVERY = 5  # faces from one that is measured to the next


@dataclass(frozen=True)
class Look:
    """What the faces of a clip look like: medians over every fifth one.

    Attributes:
        face_size: height of the box in pixels.
        sharpness: variance of the Laplacian over variance, of the grey face at 96×96. Of sharp
            faces 0.1 to 0.3, out of focus or enlarged from 40 pixels about 0.03.
        brightness: mean grey value, 0 to 255.
        yaw, pitch: degrees by which the head is turned aside, and up or down, without sign; None
            where the detector gives no landmarks.
    """

    face_size: int
    sharpness: float
    brightness: float
    yaw: float | None
    pitch: float | None


class Viewer:
    """Looks at faces on their way to the disk, so that they need not be decoded once more."""

    def __init__(self) -> None:
        self._sharpness: list[float] = []
        self._brightness: list[float] = []

    def watch(self, faces: Iterable[np.ndarray | None]) -> Iterator[np.ndarray | None]:
        """Pass on what `crops` gives, and measure some."""
        seen = 0
        for face in faces:
            if face is not None:
                if seen % EVERY == 0:
                    grey = grey_face(face, SIDE)
                    self._sharpness.append(sharpness(grey))
                    self._brightness.append(float(grey.mean()))
                seen += 1
            yield face

    def look(self, boxes: np.ndarray, present: np.ndarray, landmarks: np.ndarray | None) -> Look:
        """What was seen.

        Args:
            boxes: (N, 4) pixels.
            present: (N,) bool, frames with a face.
            landmarks: (n, 5, 2), or None.
        """
        poses = [] if landmarks is None else [head_pose(points) for points in landmarks[::EVERY]]
        angles = np.abs([pose[:2] for pose in poses if pose is not None])
        yaw, pitch = np.median(angles, axis=0).tolist() if len(angles) else (None, None)
        return Look(
            int(np.median((boxes[:, 3] - boxes[:, 1])[present])),
            round(float(np.median(self._sharpness)), 4),
            round(float(np.median(self._brightness)), 1),
            None if yaw is None else round(yaw, 1),
            None if pitch is None else round(pitch, 1),
        )


def grey_face(face: np.ndarray, side: int) -> np.ndarray:
    """(H, W, 3) uint8 BGR as grey (side, side) float32, averaged where it becomes smaller."""
    way = cv2.INTER_AREA if min(face.shape[:2]) > side else cv2.INTER_LINEAR
    small = cv2.resize(face, (side, side), interpolation=way)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian over the image's own, so that contrast does not count.

    Args:
        grey: (H, W) float32.
    """
    variance = float(grey.var())
    return float(cv2.Laplacian(grey, cv2.CV_32F).var()) / variance if variance > 0 else 0.0


def check_quality(path: Path, look: Look, limits: Quality) -> None:
    """Are the faces good enough?

    Raises:
        RejectedError: they are not; the sentence names the measure and the setting.
    """

    def reject(reason: str, sentence: str) -> RejectedError:
        return RejectedError("quality", reason, f"{path}: the face is {sentence}.")

    if look.face_size < limits.min_face:
        raise reject(SMALL, f"{look.face_size} pixels high; min_face={limits.min_face} are wanted")
    if look.sharpness < limits.min_sharpness:
        raise reject(
            BLURRED,
            f"blurred: its sharpness is {look.sharpness:.3f} where "
            f"min_sharpness={limits.min_sharpness:g} is wanted",
        )
    if not limits.min_brightness <= look.brightness <= limits.max_brightness:
        raise reject(
            LIGHT,
            f"too dark or too bright: its mean is {look.brightness:.0f} of 255; between "
            f"min_brightness={limits.min_brightness:g} and "
            f"max_brightness={limits.max_brightness:g} it is wanted",
        )
    for angle, where in ((look.yaw, "aside"), (look.pitch, "up or down")):
        if angle is not None and angle > limits.max_turn:
            raise reject(
                TURNED,
                f"turned {where} by {angle:.0f} degrees; max_turn={limits.max_turn:g} is wanted",
            )
