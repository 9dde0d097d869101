"""What the tests of `evaluate.py` are given."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import numpy as np

from w2l.video import AudioTrack, VideoWriter

ADDRESS = "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model"


def write_video(path: Path, image: np.ndarray, seconds: float, sound: bool = True) -> None:
    """The image, swaying, with a changing tone."""
    path.parent.mkdir(exist_ok=True)
    n = round(seconds * 25)
    t = np.arange(n * 640) / 16000
    tone = (np.sin(2 * np.pi * 220 * t * (1 + t)) * 9000 * np.abs(np.sin(9 * t))).astype("<i2")
    wav = path.with_suffix(".wav")
    with wave.open(str(wav), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(tone.tobytes())
    height, width = image.shape[:2]
    track = AudioTrack(wav) if sound else None
    with VideoWriter(path, Fraction(25), (width, height), track, codec="h264") as writer:
        for i in range(n):
            writer.write(np.roll(image, round(3 * np.sin(i / 4)), axis=1))
    wav.unlink()
