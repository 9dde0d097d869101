"""The images that the expert sees, and the few of them that a report shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import cv2
import numpy as np

from w2l.faces.protocol_track import ProtocolTrack
from w2l.video import VideoReader

FrameOrNone = TypeVar("FrameOrNone", np.ndarray, np.ndarray | None)
THUMBNAILS, THUMBNAIL_HEIGHT = 5, 96  # how many, pixels


def track_faces(reader: VideoReader, track: ProtocolTrack) -> Iterator[np.ndarray | None]:
    """The face of a track, frame by frame, as the expert sees it."""
    start, n = int(track.frames[0]), len(track.frames)
    return map(face_crop, reader.read(start, start + n), track.boxes)


def face_crop(frame: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """The face as Wav2Lip crops it with pads 0: the box truncated to pixels and clipped.

    Args:
        frame: (H, W, 3).
        box: (4,) float left, top, right, bottom; NaN where there is no face.

    Returns:
        A view (h, w, 3), or None where nothing of the box is in the frame.
    """
    if not np.isfinite(box).all():
        return None
    height, width = frame.shape[:2]
    left, top, right, bottom = np.clip(box, 0, [width, height, width, height]).astype(int)
    return frame[top:bottom, left:right] if left < right and top < bottom else None


class Thumbnails:
    """Keeps some of the images that are scored, evenly over `n` frames."""

    def __init__(self, n: int) -> None:
        self._wanted = set(np.linspace(0, max(0, n - 2), THUMBNAILS).astype(int).tolist())
        self.images: list[np.ndarray] = []

    def watch(self, stream: Iterable[FrameOrNone]) -> Iterator[FrameOrNone]:
        for number, image in enumerate(stream):
            if number in self._wanted and image is not None:
                width = max(1, round(image.shape[1] * THUMBNAIL_HEIGHT / image.shape[0]))
                size = (width, THUMBNAIL_HEIGHT)
                self.images.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
            yield image
