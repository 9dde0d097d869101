"""Last step: the face boxes cut out of the frames and written as JPEG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from w2l.boxes import crop


def whole_pixels(boxes: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as the published preparation crops them: clipped to the frame, truncated, no pads.

    Args:
        boxes: (N, 4) float, NaN where missing.
        height: of the frame.
        width: of the frame.

    Returns:
        Boxes (N, 4) int32, and which of them hold at least one pixel (N,) bool.
    """
    clipped = np.clip(np.nan_to_num(boxes), 0, [width, height, width, height]).astype(np.int32)
    inside = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    return clipped, inside & np.isfinite(boxes).all(axis=1)


def crops(
    frames: Iterable[np.ndarray], boxes: np.ndarray, present: np.ndarray
) -> Iterator[np.ndarray | None]:
    """The face of each frame, as the frames come; None where there is none.

    Args:
        frames: (H, W, 3) uint8 BGR, as many as boxes or more.
        boxes: (N, 4) int32 inside the frame.
        present: (N,) bool.
    """
    for frame, box, there in zip(frames, boxes, present, strict=False):
        yield crop(frame, box) if there else None


def write_crops(faces: Iterable[np.ndarray | None], folder: Path, quality: int) -> None:
    """Write `<frame number>.jpg`, from 0; a frame without a face leaves a gap in the numbers.

    Args:
        faces: from `crops`.
        folder: of the clip.
        quality: of the JPEG, 1 to 100.
    """
    for number, face in enumerate(faces):
        if face is not None:
            _, jpeg = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])
            # cv2.imwrite returns False on a full disk; this raises.
            (folder / f"{number}.jpg").write_bytes(jpeg.tobytes())
