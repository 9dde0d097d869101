"""Last step: the face boxes cut out of the frames and written as JPEG."""

from __future__ import annotations

from collections.abc import Iterable
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


def write_crops(
    frames: Iterable[np.ndarray], boxes: np.ndarray, present: np.ndarray, folder: Path, quality: int
) -> None:
    """Write `<frame number>.jpg`, from 0, for each frame with a face, as the frames come.

    Args:
        frames: (H, W, 3) uint8 BGR, as many as boxes or more.
        boxes: (N, 4) int32 inside the frame.
        present: (N,) bool; a frame without a face leaves a gap in the numbers.
        folder: of the clip.
        quality: of the JPEG, 1 to 100.
    """
    for number, (frame, box, there) in enumerate(zip(frames, boxes, present, strict=False)):
        if there:
            _, jpeg = cv2.imencode(".jpg", crop(frame, box), [cv2.IMWRITE_JPEG_QUALITY, quality])
            # cv2.imwrite returns False on a full disk; this raises.
            (folder / f"{number}.jpg").write_bytes(jpeg.tobytes())
