"""Restoring the faces of images: what is cut out, where it goes back, how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np

from w2l.boxes import crop
from w2l.components import Restorer
from w2l.errors import UserError
from w2l.inference.blending import mouth_mask
from w2l.restoration import DetailSmoother, FaceParser, Framing, frame_face

Region = Literal["mouth", "face", "parsing"]

BATCH = 4  # faces in the network at once: a CPU's memory holds few of 512 px
WHERE = {"mouth": "mouth and chin", "face": "face", "parsing": "face"}


class Face(NamedTuple):
    """One face in its image.

    Attributes:
        frame: uint8 (H, W, 3) BGR, changed in place.
        box: (left, top, right, bottom), integers.
        landmarks: (5, 2), or None where they are not known.
        mask: how much of each pixel of the box is generated, float32 (h, w, 1).
        strength: how much of that is shown, in (0, 1].
        parsed: how much of it is face, likewise, by a parser; None: nobody asked one.
    """

    frame: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray | None
    mask: np.ndarray
    strength: float = 1.0
    parsed: np.ndarray | None = None


class FaceRestoration:
    """Restores faces in place, within a mask; what lies outside keeps its pixels.

    It remembers the frame before for the smoothing, so a video's frames must come in order.

    Args:
        restorer: makes faces sharper.
        strength: 0 leaves everything as it is, 1 takes the restorer's pixels.
        region: "mouth" (what is generated), "face" (the box, feathered, of which a parser keeps
            what it calls face) or "parsing" (the same, which insists on a parser).
        smooth: share of the earlier frames' detail that is kept where nothing moves, in [0, 1).
        parser: for region "parsing", and to keep what is generated off all that is not face.

    Raises:
        UserError: a number is out of its range, or the region needs a parser.
    """

    def __init__(
        self,
        restorer: Restorer,
        *,
        strength: float = 1.0,
        region: Region = "mouth",
        smooth: float = 0.0,
        parser: FaceParser | None = None,
    ) -> None:
        if not 0 <= strength <= 1:
            raise UserError(f"restore_strength={strength} must be 0 to 1.")
        if not 0 <= smooth < 1:
            raise UserError(f"restore_smooth={smooth} must be 0 or more, and less than 1.")
        if region == "parsing" and parser is None:
            raise UserError("restore_region=parsing needs a parser: name one with parser=.")
        self.restorer, self.strength, self.region = restorer, strength, region
        self._smooth, self._parser = smooth, parser
        self._smoother = DetailSmoother(smooth) if smooth else None

    def fresh(self) -> FaceRestoration:
        """The same for another face, or from a video's start: it remembers nothing."""
        return FaceRestoration(
            self.restorer,
            strength=self.strength,
            region=self.region,
            smooth=self._smooth,
            parser=self._parser,
        )

    @property
    def about(self) -> str:
        """What is done to which part, for people: "mouth and chin by GFPGAN (…)"."""
        return f"{WHERE[self.region]} by {self.restorer.label}"

    def mask(self, face: Face) -> np.ndarray:
        """Where it changes pixels, float32 (h, w, 1) in [0, 1] of the face's box."""
        strength = self.strength * face.strength
        if self.region == "mouth":
            return strength * face.mask
        mask = strength * mouth_mask(*face.mask.shape[:2])
        assert face.parsed is not None or self.region == "face"
        return mask if face.parsed is None else mask * face.parsed

    def __call__(self, faces: Sequence[Face | None]) -> None:
        """Restore the faces of consecutive frames; None is a frame without one."""
        if not self.strength:
            return
        framings = [None if face is None else self._framing(face) for face in faces]
        cut = [
            None if face is None or framing is None else framing.cut(face.frame)
            for face, framing in zip(faces, framings, strict=True)
        ]
        restored = iter(self._restore([each for each in cut if each is not None]))
        for face, framing, given in zip(faces, framings, cut, strict=True):
            if face is None or framing is None or given is None:
                if self._smoother is not None:
                    self._smoother.reset()
                continue
            self._put_back(face, framing, given, next(restored))

    def _framing(self, face: Face) -> Framing:
        size = self.restorer.size
        if size is None:
            return Framing.native(face.box)
        return frame_face(face.box, face.landmarks, size, aligned=self.restorer.aligned)

    def _restore(self, crops: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self.restorer.size is None:  # of many sizes
            return [self.restorer(each[None])[0] for each in crops]
        batches = [crops[i : i + BATCH] for i in range(0, len(crops), BATCH)]
        return [face for batch in batches for face in self.restorer(np.stack(batch))]

    def _put_back(
        self, face: Face, framing: Framing, given: np.ndarray, restored: np.ndarray
    ) -> None:
        result = restored.astype(np.float32)
        if self._smoother is not None:
            side = (restored.shape[1], restored.shape[0])
            if side != (given.shape[1], given.shape[0]):  # an upscaler's is larger
                given = cv2.resize(given, side, interpolation=cv2.INTER_CUBIC)
            result = self._smoother(given, restored, face.box)
        region = crop(face.frame, face.box)
        source = region.astype(np.float32)
        mixed = source + self.mask(face) * (framing.back(result, face.box) - source)
        # Where the mask is zero the sum is the source itself, so rounding brings it back exactly.
        region[:] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
