"""Whether generated mouths look like the faces that they are put into. Needs no weights."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import cv2
import numpy as np

from w2l.boxes import crop
from w2l.inference.blending import coverage
from w2l.inference.enhance import Face

EVERY = 5  # generated faces, of which one is looked at
# Generators that work lose .02 to .5 of a clip's look, of 39 clips of real people; plain patches
# and untrained networks 1.
MOST_LOST = 0.65


def lost(face: np.ndarray, generated: np.ndarray) -> float:
    """Share of a face's look around the mouth that its generated twin does not have.

    The squared difference from the face, set against that of the one plain colour that is nearest
    to it; a tint of the whole counts for nothing. 0: the same, 1: a plain patch, over 1: something
    else.

    Args:
        face, generated: uint8 (S, S, 3).
    """
    size = len(face)
    weight = coverage(size, size, "improved")
    weight = weight / weight.sum()

    def contrast(image: np.ndarray) -> np.ndarray:
        values = image.astype(np.float32)
        return values - (values * weight).sum((0, 1))

    given = contrast(face)
    missing = (contrast(generated) - given) ** 2
    # One level of each channel: what a face that is itself plain can lose.
    return float((missing * weight).sum() / ((given**2 * weight).sum() + 3))


class Mouths:
    """Looks at some of the faces that are generated."""

    def __init__(self) -> None:
        self._seen = 0
        self._lost: list[float] = []

    def look(self, generated: Iterable[tuple[Face, np.ndarray]]) -> None:
        """See faces, in images that were not changed yet, and what was generated for them."""
        for face, lips in generated:
            if self._seen % EVERY == 0:
                shown = cv2.resize(crop(face.frame, face.box), lips.shape[1::-1])
                self._lost.append(lost(shown, lips))
            self._seen += 1

    def notes(self) -> tuple[str, ...]:
        """A sentence, where most of what was seen is no mouth of these faces."""
        if not self._lost or (share := median(self._lost)) <= MOST_LOST:
            return ()
        return (
            "The generated mouths hardly look like the face that they are in: they differ from it "
            f"{share:.2f} times as much as a plain patch would (0.02 to 0.5 where a generator "
            "works). Look at the result, and try another checkpoint.",
        )
