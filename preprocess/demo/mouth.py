"""Open, close, spread and round the mouth of the portrait.

The photograph smiles with its upper teeth bare. Three layers make any other mouth of it:

- the upper face, whose lip is lifted a little;
- the lower face, whose lip goes up to close the mouth or down to open it, and whose jaw follows;
- between the two lips, the photograph's own upper teeth and, below them, darkness and the tongue.

Positions are in pixels of the photograph (see `portrait`), y downwards.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from preprocess.demo.portrait import (
    CHIN_Y,
    COLLAR_Y,
    LEFT,
    LIP_X,
    LOWER_LIP_Y,
    SCALE,
    TOP,
    UPPER_LIP_Y,
)

X0, Y0, X1, Y1 = 184, 124, 264, 192  # the region that moves
INSIDE_Y0, INSIDE_Y1 = 134, 170  # and the part of it that can be inside the mouth
INSIDE_COLUMNS = slice(SCALE * (198 - X0), SCALE * (250 - X0))
CENTRE_X = (LIP_X[0] + LIP_X[-1]) / 2
HALF_WIDTH = (LIP_X[-1] - LIP_X[0]) / 2
MOUTH_Y = 146.0
REACH = 40.0  # to each side of the centre; nothing moves beyond
SMILE_GAP = max(low - up for low, up in zip(LOWER_LIP_Y, UPPER_LIP_Y, strict=True))
CLOSED_GAP = 0.5  # a dark line stays between closed lips
TABLE_STEPS = 8  # a pixel, in tables over x
THROAT = np.array((22, 16, 34, 255), np.float32)  # BGR and alpha
TONGUE = np.array((78, 70, 140, 255), np.float32)


class Lips(NamedTuple):
    """How one speaker's mouth differs from the photograph's."""

    widest_gap: float  # between the lips, pixels
    width: float  # of the mouth at rest, 1 is the photograph's
    droop: float  # of the corners, pixels; 0 is the photograph's smile


class Mouth:
    """Moves the mouth on one canvas.

    Args:
        canvas: (H, W, 4) uint8 BGR (times alpha) and alpha, laid out as `portrait().image`.
        lips: the speaker's mouth.
    """

    def __init__(self, canvas: np.ndarray, lips: Lips) -> None:
        self._lips = lips
        rows = slice(SCALE * (Y0 - TOP), SCALE * (Y1 - TOP))
        columns = slice(SCALE * (X0 - LEFT), SCALE * (X1 - LEFT))
        self.region = (rows, columns)
        self._source = canvas[rows, columns].copy()
        x = _positions(X0, X1)
        y = _positions(Y0, Y1)
        self._x, self._y = (grid.astype(np.float32) for grid in np.meshgrid(x, y))
        reach = np.clip(1 - ((self._x - CENTRE_X) / REACH) ** 2, 0, None) ** 2
        from_mouth = self._y - MOUTH_Y
        height = np.where(from_mouth < 0, MOUTH_Y - Y0, 32)
        self._reach = reach * np.clip(1 - (from_mouth / height) ** 2, 0, None) ** 2
        table_x = np.arange(TABLE_STEPS * X0, TABLE_STEPS * X1) / TABLE_STEPS
        self._upper = _table(np.interp(table_x, LIP_X, UPPER_LIP_Y))
        self._lower = _table(np.interp(table_x, LIP_X, LOWER_LIP_Y))
        lens = (self._lower - self._upper) / SMILE_GAP
        bow = _table(np.clip(1 - ((table_x - CENTRE_X) / HALF_WIDTH) ** 2, 0, None) ** 0.75)
        self._profiles = {False: lens, True: bow}
        self._fields = {
            opening: self._field(profile, follow=0.65 if opening else 0.3)
            for opening, profile in self._profiles.items()
        }

    def shape(self, opening: float, width: float) -> np.ndarray:
        """The canvas's `region` with the mouth moved.

        Args:
            opening: 0 closed to 1 as wide open as this speaker's mouth goes.
            width: -1 rounded to 1 spread.

        Returns:
            (rows, columns, 4) uint8 BGR and alpha.
        """
        # Rounded lips are narrower by a third, spread ones hardly wider.
        wide = self._lips.width * (1 + (0.28 if width < 0 else 0.08) * width)
        x = self._x + (self._x - CENTRE_X) * (1 / wide - 1) * self._reach
        sideways = (x - CENTRE_X) / HALF_WIDTH
        droop = self._lips.droop + 1.5 * max(0.0, -width)
        y = self._y - droop * np.minimum(sideways**2, 1.5) * self._reach
        at = ((x - X0) * TABLE_STEPS).astype(np.intp).clip(0, len(self._upper) - 1)
        gap = CLOSED_GAP + opening * (self._lips.widest_gap - CLOSED_GAP)
        lift = 0.15 * max(0.0, gap - 2)
        drop = gap - lift - SMILE_GAP
        profile = self._profiles[drop > 0][at]
        upper_edge = self._upper[at] - lift * self._profiles[True][at]
        lower_edge = self._lower[at] + drop * profile

        above = y + lift * self._profiles[True][at] * _bell(y - 142, 7)
        below = self._before_drop(x, y, drop)
        face = self._sample(x, np.where(y < (upper_edge + lower_edge) / 2, above, below))
        # Only this part of the region can be inside the mouth.
        part = np.s_[SCALE * (INSIDE_Y0 - Y0) : SCALE * (INSIDE_Y1 - Y0), INSIDE_COLUMNS]
        x, y, upper_edge, lower_edge = x[part], y[part], upper_edge[part], lower_edge[part]
        between = _step(1 - np.abs(sideways[part]))
        nearest = np.minimum(np.abs(y - upper_edge), np.abs(y - lower_edge))
        # The lips darken where they meet, more so when pressed together.
        shadow = between * _bell(nearest, 0.9) * (0.2 + 0.3 * _bell(gap, 3.0))
        lips = face[part].astype(np.float32)
        lips[..., :3] *= (1 - shadow)[..., None]
        inside = self._inside(x, y, at[part], upper_edge, lower_edge, gap)
        open_part = between * _step(y - upper_edge) * _step(lower_edge - y)
        face[part] = np.clip(lips + (inside - lips) * open_part[..., None], 0, 255)
        return face

    def _field(self, profile: np.ndarray, follow: float) -> np.ndarray:
        """How far each point of the lower face goes when the lip goes by 1 px."""
        at = ((self._x - X0) * TABLE_STEPS).astype(np.intp)
        sideways = ((self._x - CENTRE_X) / REACH) ** 2
        chin = CHIN_Y - 21 * sideways
        jaw = follow * np.clip(1 - sideways, 0, None) ** 1.2
        lip_to_chin = _smooth((self._y - self._lower[at]) / (chin - self._lower[at]))
        moved = profile[at] + (jaw - profile[at]) * lip_to_chin
        neck = _smooth((self._y - chin) / (COLLAR_Y + 3 - CHIN_Y))
        return (moved * (1 - neck)).astype(np.float32)

    def _before_drop(self, x: np.ndarray, y: np.ndarray, drop: float) -> np.ndarray:
        """Where the point that the drop moves to y was; by fixed-point iteration."""
        field = self._fields[drop > 0]
        column, row = _to_region(x, y)
        before = row
        for _ in range(3):
            moved = cv2.remap(
                field, column, before, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            before = row - np.float32(SCALE * drop) * moved
        return y + (before - row) / SCALE

    def _inside(
        self,
        x: np.ndarray,
        y: np.ndarray,
        at: np.ndarray,
        upper_edge: np.ndarray,
        lower_edge: np.ndarray,
        gap: float,
    ) -> np.ndarray:
        """The inside of the mouth."""
        teeth_end = self._lower[at] - 0.9
        teeth = self._sample(x, np.clip(y, self._upper[at] + 0.4, teeth_end)).astype(np.float32)
        # Lips shade the teeth, and the less light comes in the darker they are.
        inward = np.clip((y - upper_edge) / 4, 0, 1)
        light = 0.55 + (0.1 + 0.3 * inward) * min(1.0, gap / 6)
        depth = np.clip((y - teeth_end) / 9, 0, 1) * _bell((x - CENTRE_X) / HALF_WIDTH, 0.6)
        tongue = depth * _smooth((gap - 6) / 6) * _smooth((lower_edge - y) / 3 + 0.5)
        teeth[..., :3] *= light[..., None]
        dark = THROAT + (TONGUE - THROAT) * tongue[..., None]
        return dark + (teeth - dark) * _step(teeth_end - y)[..., None]

    def _sample(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The canvas at photograph positions, (rows, columns, 4) uint8."""
        return cv2.remap(
            self._source, *_to_region(x, y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )


def _positions(start: int, stop: int) -> np.ndarray:
    """Photograph positions of the canvas's pixels from `start` to `stop`."""
    return (np.arange(SCALE * start, SCALE * stop) + 0.5) / SCALE - 0.5


def _to_region(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shift = SCALE * 0.5 - 0.5
    return (
        ((x - X0) * SCALE + shift).astype(np.float32),
        ((y - Y0) * SCALE + shift).astype(np.float32),
    )


def _table(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def _bell(value: np.ndarray | float, width: float) -> np.ndarray:
    return np.exp(-np.square(value / width))


def _smooth(value: np.ndarray | float) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def _step(value: np.ndarray) -> np.ndarray:
    """0 to 1 within one pixel of the canvas: an edge without stairs."""
    return np.clip(value * SCALE + 0.5, 0, 1)
