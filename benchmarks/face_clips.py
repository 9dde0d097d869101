"""A small set in the published layout whose images cost what real ones cost to read."""

from __future__ import annotations

import wave
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from w2l.windows import FPS, SAMPLE_RATE

# The face in scikit-image's astronaut, as a detector would cut it out.
TOP, BOTTOM, LEFT, RIGHT = 78, 180, 187, 263
SOFTNESS = 0.6  # pixels; a frame of a video is softer than a photograph
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]  # as the published preparation


def write_face_clips(root: Path, *, clips: int, frames: int, seed: int) -> list[str]:
    """Write `<root>/<speaker>/<clip>/<frame>.jpg`, `audio.wav` and `train.txt`, `val.txt`.

    Faces are 150 to 170 pixels high, as those of the GRID and LRS2 corpora are, and no two files
    are the same: a photograph moves, turns and changes its size from frame to frame. Crops of
    five GRID clips (146 to 169 pixels) take 6.1 to 7.7 kB a frame, 6.8 on average; these take 6.0
    to 7.6 kB.

    Args:
        root: an empty folder.
        clips: how many.
        frames: frames of each, at 25 frames/s.
        seed: of everything that is drawn.

    Returns:
        The names `speaker/clip`.
    """
    rng = np.random.default_rng(seed)
    photograph = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    names = [f"speaker{i:03d}/00001" for i in range(clips)]
    for name in names:
        folder = root / name
        folder.mkdir(parents=True)
        size = rng.uniform(150, 170)
        for frame in range(frames):
            image = _face(photograph, size + rng.uniform(-3, 3), rng)
            cv2.imwrite(str(folder / f"{frame}.jpg"), image, QUALITY)
        write_sound(folder / "audio.wav", frames / FPS, rng)
    for split in ("train", "val"):
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return names


def _face(photograph: np.ndarray, height: float, rng: np.random.Generator) -> np.ndarray:
    """The face turned and moved a little, BGR uint8, `height` pixels high."""
    centre = np.array([(LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2])
    scale = height / (BOTTOM - TOP)
    width = height * (RIGHT - LEFT) / (BOTTOM - TOP)
    warp = cv2.getRotationMatrix2D(tuple(centre), rng.uniform(-4, 4), scale)
    warp[:, 2] += np.array([width, height]) / 2 - centre + rng.uniform(-2, 2, 2)
    shape = (round(width), round(height))
    image = cv2.warpAffine(photograph, warp, shape, flags=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(image, (0, 0), SOFTNESS)


def write_sound(path: Path, seconds: float, rng: np.random.Generator) -> None:
    """Noise whose level changes 4 times a second, 16 kHz, mono, 16 bit."""
    n = round(seconds * SAMPLE_RATE)
    points = np.arange(0, n + SAMPLE_RATE // 4, SAMPLE_RATE // 4)
    level = np.interp(np.arange(n), points, rng.random(len(points)))
    samples = (0.3 * level * rng.standard_normal(n)).clip(-1, 1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
