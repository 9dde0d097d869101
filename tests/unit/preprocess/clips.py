"""Tiny videos that a preparation accepts, or rejects for one reason each."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data

RATE = 16_000


def portrait(size: int = 160) -> np.ndarray:
    """A face, (size, size, 3) uint8 RGB."""
    return cv2.resize(skimage.data.astronaut()[10:266, 96:352], (size, size))


def grey(size: int = 160) -> np.ndarray:
    """No face, (size, size, 3) uint8 RGB."""
    return np.full((size, size, 3), 128, np.uint8)


def write_video(
    path: Path, *, face_frames: list[bool], seconds_of_sound: float | None = 1.0, fps: int = 25,
    sway: int = 8,
) -> Path:  # fmt: skip
    """Write MPEG-4 video with a portrait, or grey where `face_frames` is False.

    The portrait moves to the right, and back at once after every `sway` frames.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=fps)
        video.width = video.height = 160
        video.pix_fmt = "yuv420p"
        video.bit_rate = 2_000_000
        audio = container.add_stream("aac", rate=RATE, layout="mono") if seconds_of_sound else None
        for i, there in enumerate(face_frames):
            image = np.roll(portrait(), i % sway, axis=1) if there else grey()
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
        if audio is not None:
            time = np.arange(int(RATE * (seconds_of_sound or 0))) / RATE
            tone = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
            frame.sample_rate = RATE
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def good(path: Path, frames: int = 25) -> Path:
    """A second of a face with a tone."""
    return write_video(path, face_frames=[True] * frames, seconds_of_sound=frames / 25)
