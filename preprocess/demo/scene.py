"""The image around the mouth: face shape, head motion, background."""

from __future__ import annotations

import cv2
import numpy as np

from preprocess.demo.portrait import FACE_CENTRE, LEFT, SCALE, TOP
from preprocess.demo.speakers import Speaker

SIZE = 256  # pixels, width and height of the frames
CENTRE = (0.5 * SIZE, 0.52 * SIZE)  # of the face in the frame
MARGIN = 30  # pixels around the frame that head motion may bring into it


class Scene:
    """Puts one speaker's canvas before a background, the head where it is at the time.

    Args:
        speaker: gives size, flip and face shape.
        n_frames: length of the clip.
        rng: background and motion are drawn from it.
    """

    def __init__(self, speaker: Speaker, n_frames: int, rng: np.random.Generator) -> None:
        self._speaker = speaker
        light = np.array(speaker.light)
        self._background = np.clip(background(rng) * light, 0, 255).astype(np.uint8)
        self._map, depth = _canvas_positions(speaker)
        self._depth = SCALE * depth[MARGIN:-MARGIN, MARGIN:-MARGIN]
        self._motion = _head_motion(n_frames, rng)

    def frame(self, i: int, canvas: np.ndarray) -> np.ndarray:
        """Frame i, (SIZE, SIZE, 3) uint8 BGR, of a canvas (H, W, 4): BGR times alpha, and alpha."""
        dx, dy, roll, zoom, turn = (float(value) for value in self._motion[i])
        # From a pixel of the frame back to where it is when the head is at rest.
        back = cv2.getRotationMatrix2D(CENTRE, roll, 1 / zoom)
        back[:, 2] += MARGIN - np.array((dx, dy))
        moved = cv2.warpAffine(
            self._map, back, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        # Depth changes so slowly over the face that it need not be moved too.
        moved[..., 0] = moved[..., 0] + turn * self._depth
        # OpenCV's stubs do not know that None is right for a map of pairs; an empty array is not.
        person = cv2.remap(canvas, moved, None, cv2.INTER_LINEAR)  # type: ignore[call-overload]
        behind = cv2.cvtColor(255 - person[..., 3], cv2.COLOR_GRAY2BGR)
        behind = cv2.multiply(self._background, behind, scale=1 / 255)
        image = cv2.add(cv2.cvtColor(person, cv2.COLOR_BGRA2BGR), behind)
        if self._speaker.blur:
            image = cv2.GaussianBlur(image, (0, 0), self._speaker.blur)
        return image


def _canvas_positions(speaker: Speaker) -> tuple[np.ndarray, np.ndarray]:
    """Where on the canvas each pixel of frame and margin comes from, the head at rest.

    Returns:
        (SIZE + 2 · MARGIN, the same, 2) float32: x and y on the canvas; (the same, the same)
        float32: how near the point is to the camera, 0 to 1.
    """
    grid = np.arange(-MARGIN, SIZE + MARGIN, dtype=np.float32)
    u, v = np.meshgrid(grid - CENTRE[0], grid - CENTRE[1])
    angle = np.deg2rad(speaker.roll)
    u, v = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    u, v = u / speaker.size, v / speaker.size
    if speaker.flip:
        u = -u
    shape = speaker.shape
    depth = np.exp(-((u / 45) ** 2) - ((v - 5) / 60) ** 2)
    near_face = np.exp(-((u / 60) ** 4))
    wider = shape.face * np.exp(-((v / 110) ** 4))
    wider = wider + shape.jaw * np.exp(-(((v - 45) / 28) ** 2)) * near_face
    wider = wider + shape.eyes * np.exp(-(((v + 17) / 16) ** 2) - (u / 45) ** 4)
    around = np.clip((np.hypot(u, (v + 25) * 0.9) - 50) / 40, 0, 1) * np.clip((20 - v) / 40, 0, 1)
    u_source = u / (1 + wider + shape.hair * around)
    v_source = v / (1 + shape.hair * around)
    v_source = v_source - shape.nose * np.exp(-(((v - 8) / 16) ** 2)) * near_face
    v_source = v_source - shape.chin * np.exp(-(((v - 58) / 24) ** 2)) * near_face
    x = (u_source + FACE_CENTRE[0] - LEFT + 0.5) * SCALE - 0.5
    y = (v_source + FACE_CENTRE[1] - TOP + 0.5) * SCALE - 0.5
    return np.dstack([x, y]).astype(np.float32), depth.astype(np.float32)


def _head_motion(n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Slow drift: x, y (pixels), roll (degrees), zoom (factor), turn (pixels at the nose)."""
    time_s = np.arange(n_frames)[:, None] / 25
    curves = sum(
        strength * np.sin(2 * np.pi * (time_s * rng.uniform(*band, 5) + rng.random(5)))
        for strength, band in ((0.7, (0.1, 0.2)), (0.3, (0.25, 0.5)))
    )
    ranges = np.array((7.0, 4.0, 2.5, 0.02, 3.0))
    return curves * ranges + np.array((*rng.uniform(-6, 6, 2), 0, 1, 0))


def background(rng: np.random.Generator) -> np.ndarray:
    """A room out of focus, (SIZE, SIZE, 3) float32 BGR in [0, 255]."""
    top, bottom = rng.uniform(-30, 30, (2, 3)) + rng.uniform(60, 190, (2, 1))
    fade = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None, None]
    room = np.broadcast_to(top + (bottom - top) * fade, (SIZE, SIZE, 3)).astype(np.float32)
    room = np.ascontiguousarray(room)
    for _ in range(int(rng.integers(3, 9))):
        x, y = (int(value) for value in rng.integers(-20, SIZE, 2))
        width, height = (int(value) for value in rng.integers(20, 130, 2))
        colour = tuple(float(value) for value in rng.uniform(-40, 40, 3) + rng.uniform(50, 200))
        if rng.random() < 0.6:
            cv2.rectangle(room, (x, y), (x + width, y + height), colour, -1)
        else:
            cv2.circle(room, (x, y), width // 2, colour, -1)
    return cv2.GaussianBlur(room, (0, 0), float(rng.uniform(6, 13)))
