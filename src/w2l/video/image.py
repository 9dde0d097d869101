"""Still pictures, told from videos by their content."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from w2l.errors import UserError
from w2l.video.moving import is_moving

_GIF = b"GIF8"  # OpenCV reads one, but it is a video as often as not


def is_image(path: str | Path) -> bool:
    """Whether a file's content, not its name, is a still picture (PNG, JPEG, WebP, BMP, TIFF…).

    What moves is none: raw MJPEG, and animated PNG, WebP, AVIF and GIF.
    """
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(4) == _GIF:
            return False
    if is_moving(path):
        return False
    return bool(cv2.haveImageReader(str(path)))


def read_image(path: str | Path) -> np.ndarray:
    """Read a still picture, turned upright by its EXIF orientation.

    Transparency is laid over black, because the colour under a transparent pixel is arbitrary.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        UserError: missing, unreadable or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist: check the path.")
    # Through memory, because OpenCV's own file access fails on some names.
    try:
        data = np.fromfile(path, np.uint8)
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: check its permissions.") from error
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if picture is not None and not (picture.ndim == 3 and picture.shape[2] == 4):
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:  # a picture too large, or with an impossible header
        picture = None
    if picture is None:
        raise UserError(
            f"{path} is no picture that can be read, or it is damaged: use PNG or JPEG."
        )
    return over_black(picture) if picture.shape[2] == 4 else picture


def over_black(picture: np.ndarray) -> np.ndarray:
    """Lay a (H, W, 4) BGRA picture, uint8 or uint16, over black: (H, W, 3) uint8 BGR."""
    scale = np.float32(255.0 / np.iinfo(picture.dtype).max ** 2)
    colour, alpha = picture[..., :3].astype(np.float32), picture[..., 3:].astype(np.float32)
    return np.rint(colour * alpha * scale).astype(np.uint8)
