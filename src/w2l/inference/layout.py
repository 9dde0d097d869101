"""What a written image shows, and how large: the result, alone or not, maybe with its mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from w2l.boxes import crop
from w2l.errors import UserError
from w2l.inference.label import Label
from w2l.inference.source import SourceFrame
from w2l.video import CODECS, CodecName

View = Literal["result", "side_by_side", "mask"]

SMALLEST, LARGEST = 16, 16_384  # pixels a side; the latter is H.264's
MASK_COLOUR = np.array((60, 220, 60), np.float32)  # BGR
MASK_SHARE = 0.45  # how much of it lies over a wholly generated pixel
BOX_COLOUR = (0, 220, 255)  # BGR


@dataclass(frozen=True)
class OutputOptions:
    """What is written.

    Attributes:
        codec: a name of `w2l.video.CODECS`, or "png" for a folder of images.
        view: "result", "side_by_side" (the source left, the result right) or "mask" (the result,
            with the face's box, and how much of each pixel is generated, drawn over it).
        height: pixels to which images are scaled; None: as they come.
        label: text that is written on the result; None: none.
    """

    codec: CodecName | Literal["png"] = "h264"
    view: View = "result"
    height: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.height is None:
            return
        if not SMALLEST <= self.height <= LARGEST:
            raise UserError(f"height={self.height} must be {SMALLEST} to {LARGEST} pixels.")
        if self.height % 2 and self.needs_even:
            label = CODECS[self.codec].label
            raise UserError(
                f"height={self.height} is odd, and {label} takes even ones only: "
                f"use {self.height - 1} or {self.height + 1}, or codec=ffv1 or png."
            )

    @property
    def needs_even(self) -> bool:
        """Whether the codec takes even widths and heights only."""
        return self.codec != "png" and not CODECS[self.codec].is_rgb


class Layout:
    """Makes the images that are written out of those that were synced.

    Args:
        size: (width, height) of the source.
        options: what is written.

    Attributes:
        size: (width, height) of what is written.

    Raises:
        UserError: the width that belongs to the height is impossible, or the label does not fit.
    """

    def __init__(self, size: tuple[int, int], options: OutputOptions) -> None:
        panels = 2 if options.view == "side_by_side" else 1
        self._panel = scaled(size, options)
        self._resize = self._panel != size
        self.size = (panels * self._panel[0], self._panel[1])
        if options.height is not None and not SMALLEST <= self.size[0] <= LARGEST:
            raise UserError(
                f"height={options.height} makes the images {self.size[0]} pixels wide, where "
                f"{SMALLEST} to {LARGEST} are possible: choose another."
            )
        self._options = options
        self._label = None if options.label is None else Label(options.label, self._panel)

    def __call__(self, image: SourceFrame) -> np.ndarray:
        """The image to write.

        Args:
            image: a synced one, which may be changed; with `given` for side_by_side.

        Returns:
            uint8 (height, width, 3) BGR.
        """
        frame = image.frame
        if self._options.view == "mask":
            for box, mask in image.marks:
                draw_mask(frame, box, mask)
        frame = self._scaled(frame)
        if self._label is not None:
            self._label.draw(frame)
        if self._options.view == "side_by_side":
            assert image.given is not None
            return np.hstack([self._scaled(image.given), frame])
        return frame

    def _scaled(self, frame: np.ndarray) -> np.ndarray:
        if not self._resize:
            return frame
        shrinks = self._panel[1] < frame.shape[0]
        return cv2.resize(
            frame, self._panel, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        )


def scaled(size: tuple[int, int], options: OutputOptions) -> tuple[int, int]:
    """(width, height) of a source's images after scaling to the wanted height."""
    if options.height is None:
        return size
    unit = 2 if options.needs_even else 1
    width = unit * round(options.height * size[0] / size[1] / unit)
    return width, options.height


def draw_mask(frame: np.ndarray, box: np.ndarray, mask: np.ndarray) -> None:
    """Tint what is generated, and draw the box's edge: on uint8 (H, W, 3) BGR, in place.

    Args:
        frame: the image.
        box: of a face, (left, top, right, bottom).
        mask: how much of each pixel in it is generated, float32 (h, w, 1) in [0, 1].
    """
    left, top, right, bottom = (int(v) for v in box)
    region = crop(frame, box)
    alpha = MASK_SHARE * mask
    region[:] = np.rint((1 - alpha) * region + alpha * MASK_COLOUR).astype(np.uint8)
    line = max(1, frame.shape[0] // 500)  # seen when a large image is shown small
    cv2.rectangle(frame, (left, top), (right - 1, bottom - 1), BOX_COLOUR, line)
