"""How stored numbers are to be shown: the tags that a player goes by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

UNSTATED = 2  # H.273's code, in each of its tables
_RGB = 0
_SMPTE170M = 6  # the matrix of BT.601
# Matrices that libswscale knows by the number that H.273 gives them; readers take any other for
# BT.601, so that is what we must write then.
_KNOWN = {1, 4, 5, _SMPTE170M, 7, 9}


@dataclass(frozen=True)
class Look:
    """Colour tags and pixel shape. The defaults are what is written where no source has any.

    BT.601's matrix by default, so that readers which ignore the tag, and JPEG dumps, show the
    same colours.

    Attributes:
        matrix, primaries, transfer: H.273's codes, 2: not stated.
        range: FFmpeg's code: 0 not stated (limited is meant), 1 limited, 2 full.
        pixel_aspect: width of a pixel divided by its height.
    """

    matrix: int = _SMPTE170M
    range: int = int(ColorRange.MPEG)
    primaries: int = int(ColorPrimaries.BT709)
    transfer: int = int(ColorTrc.BT709)
    pixel_aspect: Fraction = Fraction(1)

    @classmethod
    def of(cls, frame: VideoFrame, pixel_aspect: Fraction | None) -> Look:
        """The look of a decoded image, as YUV is to be tagged to have it too.

        Args:
            frame: any image of the video.
            pixel_aspect: of the stream; None: not stated.
        """
        shape = pixel_aspect or Fraction(1)
        tags = int(frame.color_primaries), int(frame.color_trc), shape
        if frame.format.is_rgb or frame.colorspace == _RGB:
            return cls(cls.matrix, cls.range, *tags)
        matrix = int(frame.colorspace)
        known = matrix == UNSTATED or matrix in _KNOWN
        return cls(matrix if known else cls.matrix, int(frame.color_range), *tags)

    @property
    def sws_matrix(self) -> int:
        """libswscale's code of the matrix."""
        return 5 if self.matrix in (UNSTATED, _SMPTE170M) else self.matrix

    @property
    def is_full(self) -> bool:
        """Whether luma takes all of 0 to 255."""
        return self.range == ColorRange.JPEG

    def turned(self) -> Look:
        """The look after turning the images by 90 degrees."""
        return replace(self, pixel_aspect=1 / self.pixel_aspect)
