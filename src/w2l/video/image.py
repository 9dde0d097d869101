"""Still images, told from videos by their content."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import cv2
import numpy as np

from w2l.errors import UserError
from w2l.media import MOST_PIXELS, check_pixels, tell_once
from w2l.media.joined import tell_joined
from w2l.video.moving import is_moving

# How the files begin that OpenCV reads. A GIF it reads too, but that is a video as often as not.
_BEGINNINGS = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|BM|RIFF....WEBP|II[*+]\0|MM\0[*+]"
    rb"|\xff\x4f\xff\x51|\0\0\0\x0cjP  |#\?RADIANCE|#\?RGBE|\x59\xa6\x6a\x95|P[1-7]\s|P[Ff]\s",
    re.DOTALL,
)
_BAND_PIXELS = 2**20
_AVIF = re.compile(rb"....ftypavif", re.DOTALL)
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_MISSING = 2**26  # bytes that a PNG may have lost


def is_image(path: str | Path) -> bool:
    """Whether a file's content, not its name, is a still image (PNG, JPEG, WebP, BMP, TIFF…).

    What moves is none: animated PNG, WebP, AVIF and GIF, and images one behind the other.
    """
    path = Path(path)
    # OpenCV is asked about no name: those that are not in UTF-8 end its process.
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:  # a folder, or not to be read
        return False
    if _AVIF.match(head):
        return bool(cv2.haveImageWriter("a.avif"))  # some builds lack it; FFmpeg reads it there
    return _BEGINNINGS.match(head) is not None and not is_moving(path)


def _check_stated(path: Path) -> None:
    """By the file's header, before anything is decoded: a megabyte can unfold to gigabytes.

    Of a TIFF's pages the first is read, which is said.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as header:
                width, height = header.size
                pages = getattr(header, "n_frames", 1) if header.format == "TIFF" else 1
    except Image.DecompressionBombError as error:
        raise UserError(
            f"{path} unfolds to more than {MOST_PIXELS / 1e6:.0f} million pixels, which are the "
            "most that is read: make it smaller."
        ) from error
    except Exception:  # damaged, or of a format without much compression: OpenCV says
        return
    check_pixels(path, width, height)
    if pages > 1:
        tell_once(f"{path} has {pages} pages, and the first one is taken.")
    else:
        tell_joined(path)


def read_image(path: str | Path) -> np.ndarray:
    """Read a still image, turned upright by its EXIF orientation.

    Transparency is laid over black, because the colour under a transparent pixel is arbitrary.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        UserError: missing, unreadable, damaged, or of more than `MOST_PIXELS`.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist: check the path.")
    # Through memory, because OpenCV's own file access fails on some names.
    try:
        data = np.fromfile(path, np.uint8)
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: check its permissions.") from error
    _check_stated(path)
    try:
        readable = data.size and not claims_too_much(data)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if readable else None
        if image is not None and not (image.ndim == 3 and image.shape[2] == 4):
            image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:  # an image too large, or with an impossible header
        image = None
    if image is None:
        raise UserError(f"{path} is no image that can be read, or it is damaged: use PNG or JPEG.")
    return over_black(image) if image.shape[2] == 4 else image


def claims_too_much(content: np.ndarray) -> bool:
    """Whether some chunk of a PNG, (n,) uint8, says that it is far longer than the file.

    OpenCV takes memory for what a chunk says: 4 GB for a file of a hundred bytes.
    """
    if content[: len(_PNG)].tobytes() != _PNG:
        return False
    at = len(_PNG)
    while at < len(content):
        length = int.from_bytes(content[at : at + 4].tobytes(), "big")
        if length > len(content) + _MOST_MISSING:
            return True
        at += length + 12  # its length, name and checksum
    return False


def over_black(image: np.ndarray) -> np.ndarray:
    """Lay a (H, W, 4) BGRA image, uint8 or uint16, over black: (H, W, 3) uint8 BGR."""
    scale = np.float32(255.0 / np.iinfo(image.dtype).max ** 2)
    result = np.empty((*image.shape[:2], 3), np.uint8)
    # In bands: as floats the whole would take ten times its memory.
    band = max(1, _BAND_PIXELS // max(1, image.shape[1]))
    for top in range(0, len(image), band):
        rows = image[top : top + band]
        colour, alpha = rows[..., :3].astype(np.float32), rows[..., 3:].astype(np.float32)
        result[top : top + band] = np.rint(colour * alpha * scale)
    return result
