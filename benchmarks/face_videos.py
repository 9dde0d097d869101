"""Videos of a talking-head's size and shape in which a detector finds a face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage.data

from benchmarks.face_clips import BOTTOM, LEFT, RIGHT, SOFTNESS, TOP, write_sound
from w2l.video import AudioTrack, VideoWriter
from w2l.windows import FPS

SHARE = 0.55  # of the image's height is the face's, as in GRID's videos of 360x288


def write_face_videos(
    root: Path, *, clips: int, frames: int, size: tuple[int, int], seed: int
) -> list[Path]:
    """Write `<root>/speaker<i>/00001.mp4`: H.264 and AAC, 25 frames/s.

    Args:
        root: a folder.
        clips: how many.
        frames: of each.
        size: (width, height) in pixels.
        seed: of everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    photograph = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    paths = []
    for i in range(clips):
        folder = root / f"speaker{i:03d}"
        folder.mkdir(parents=True)
        write_sound(folder / "sound.wav", frames / FPS, rng)
        with VideoWriter(
            folder / "00001.mp4", FPS, size, audio=AudioTrack(folder / "sound.wav")
        ) as writer:
            for frame in range(frames):
                writer.write(_image(photograph, size, frame, rng))
        (folder / "sound.wav").unlink()
        paths.append(folder / "00001.mp4")
    return paths


def _image(
    photograph: np.ndarray, size: tuple[int, int], frame: int, rng: np.random.Generator
) -> np.ndarray:
    """The photograph, swaying slowly, with a camera's noise: (height, width, 3) uint8 BGR."""
    width, height = size
    centre = np.array([(LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2])
    scale = SHARE * height / (BOTTOM - TOP)
    angle = 3 * np.sin(frame / 12)
    warp = cv2.getRotationMatrix2D(tuple(centre), angle, scale)
    warp[:, 2] += np.array([width, height]) / 2 - centre + 0.02 * height * np.sin(frame / 9)
    image = cv2.warpAffine(photograph, warp, size, borderMode=cv2.BORDER_REPLICATE)
    image = cv2.GaussianBlur(image, (0, 0), SOFTNESS).astype(np.float32)
    return (image + rng.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)
