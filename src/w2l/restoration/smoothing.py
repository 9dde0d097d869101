"""Steadying what a restorer adds, so that it does not flicker from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np

from w2l.boxes import iou

MOVES = 6.0  # levels of 8-bit grey by which a blurred spot changes when something moves there
CUT = 25.0  # mean change of the whole crop that no talking head makes within a frame
CUT_IOU = 0.4  # of the face's boxes in neighbouring frames, below which it is another shot
BLUR = 0.02  # deviation of the blur before frames are compared, as a share of the crop


class DetailSmoother:
    """Exponential mean of the restored detail (restored − given), where nothing moves.

    The detail of a frame is mixed with that of the frames before: `keep` of them where the given
    crop stays as it was, none where it changes by several times `MOVES`. Crops are compared in
    the restorer's framing, in which the head stands still. At a cut or after a gap it starts anew.

    Args:
        keep: share of the earlier detail, in [0, 1).
    """

    def __init__(self, keep: float) -> None:
        self.keep = keep
        self._before: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def reset(self) -> None:
        """Forget the frames before: there was one without a face."""
        self._before = None

    def __call__(self, given: np.ndarray, restored: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The next frame's restored crop, steadied.

        Args:
            given, restored: uint8 (S, S, 3), of one size.
            box: of the face in its image, (4,).

        Returns:
            float32 (S, S, 3), not clipped.
        """
        base = given.astype(np.float32)
        detail = restored.astype(np.float32) - base
        side = given.shape[0]
        grey = cv2.GaussianBlur(base.mean(axis=2), (0, 0), max(0.5, BLUR * side))
        if self._before is not None:
            last_detail, last_grey, last_box = self._before
            change = np.abs(grey - _fit(last_grey, grey.shape))
            if change.mean() < CUT and iou(last_box[None], box[None])[0, 0] >= CUT_IOU:
                share = self.keep * np.exp(-np.square(change / MOVES))[..., None]
                detail += share * (_fit(last_detail, grey.shape) - detail)
        self._before = detail, grey, np.array(box)
        return base + detail


def _fit(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Scaled to (height, width): crops that are not resampled grow and shrink with the face."""
    return image if image.shape[:2] == shape else cv2.resize(image, shape[::-1])
