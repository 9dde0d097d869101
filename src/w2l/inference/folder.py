"""A folder of images as a video, e.g. one that `codec=png` wrote."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from w2l.errors import UserError
from w2l.inference.geometry import Geometry
from w2l.video import Look, is_image, read_image


class FolderSource:
    """The images of a folder in the order of their numbers, at a given rate.

    Args:
        path: the folder; what is no image in it, by content, is left out.
        geometry: applied to every image.
        fps: images a second.
        start_s, end_s: seconds of it to use.

    Attributes: as `VideoSource`.

    Raises:
        UserError: no images, or none between `start_s` and `end_s`.
    """

    def __init__(
        self,
        path: Path,
        geometry: Geometry,
        fps: Fraction,
        start_s: float = 0.0,
        end_s: float | None = None,
    ) -> None:
        files = sorted(filter(is_image, path.iterdir()), key=natural)
        if not files:
            raise UserError(
                f"{path} holds no images: face= takes a video, a photo or a folder of numbered "
                f"images, and batch={path} a folder of videos with their sounds."
            )
        # The first image is the one that is shown at `start_s`, and plays from there.
        start = _seconds(start_s)
        count = len(files) if end_s is None else math.ceil((_seconds(end_s) - start) * fps)
        first = math.floor(start * fps)
        self._files = files[first : first + max(0, count)] if start_s >= 0 else []
        if not self._files:
            raise UserError(
                f"start={start_s} and end={end_s} leave nothing of {path}, whose {len(files)} "
                f"images last {float(len(files) / fps):.2f} s at fps={float(fps):g}."
            )
        self.path, self.fps, self.look = path, fps, Look()
        self.n_frames_estimate = len(self._files)
        self._geometry = geometry
        self._given = read_image(self._files[0]).shape
        self.height, self.width = next(self.read(0, 1)).shape[:2]

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Images start … stop - 1, as many of them as there are.

        Raises:
            UserError: one is damaged, or not as large as the first.
        """
        for file in self._files[start:stop]:
            image = read_image(file)
            if image.shape != self._given:
                (height, width), (high, wide) = image.shape[:2], self._given[:2]
                raise UserError(
                    f"{file} is {width}×{height} where the first image is {wide}×{high}: all "
                    "images of a folder must be of one size."
                )
            yield self._geometry(image)


def _seconds(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(1_000_000)  # as typed


def natural(path: Path) -> tuple[list[int], str]:
    """Sorts by the numbers in a name, so that 10 comes after 9."""
    return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name
