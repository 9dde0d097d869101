"""A line of text on the images, for whoever watches them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from w2l.errors import UserError

HEIGHT = 0.045  # of the letters, as a share of the image's
WIDTH = 0.9  # of the image's, at most
SMALLEST = 8  # pixels high: below it nobody can read it
GROUND = 0.35  # how much of the image's brightness is left behind the letters


class Label:
    """White letters on a darkened ground, in the upper left corner.

    Letters are 4.5 % of the image's height, less where the line would not fit its width.

    Args:
        text: one line of what DejaVu Sans can write (Latin, Greek, Cyrillic, …).
        size: (width, height) of the images.

    Raises:
        UserError: empty, several lines, letters that the font lacks, or too long for the image.
    """

    def __init__(self, text: str, size: tuple[int, int]) -> None:
        _check(text)
        width, height = size
        for pixels in range(max(SMALLEST, round(HEIGHT * height)), SMALLEST - 1, -1):
            letters = _letters(text, pixels)
            if letters.shape[1] <= WIDTH * width and letters.shape[0] <= height:
                break
        else:
            raise UserError(f"label={text} is too long for images of {width}×{height}: shorten it.")
        self._letters = letters

    def draw(self, frame: np.ndarray) -> None:
        """Write on an image, uint8 (H, W, 3), in place."""
        height, width = self._letters.shape
        corner = frame[:height, :width]
        alpha = self._letters[..., None]
        corner[:] = np.rint((1 - alpha) * GROUND * corner + alpha * 255).astype(np.uint8)


def _letters(text: str, pixels: int) -> np.ndarray:
    """The text with a margin, float32 (h, w) in [0, 1]: 1 where a letter is."""
    font = ImageFont.truetype(str(_font()), pixels)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    margin = pixels // 2
    size = (int(right - left) + 2 * margin, ascent + descent + margin)
    image = Image.new("L", size)
    ImageDraw.Draw(image).text((margin - left, margin // 2), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def _check(text: str) -> None:
    if not text.strip() or not text.isprintable():
        raise UserError(f"label={text!r} must be one line of text: label=null writes none.")
    from matplotlib.ft2font import FT2Font  # many megabytes, for those who want a label

    letters = FT2Font(str(_font())).get_charmap()
    if unknown := sorted({letter for letter in text if ord(letter) not in letters}):
        raise UserError(
            f"label={text} has letters that the font lacks ({' '.join(unknown)}): "
            "use Latin, Greek or Cyrillic ones."
        )


@cache
def _font() -> Path:
    """DejaVu Sans, which comes with matplotlib: no machine's own fonts are needed."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
