"""Syncing as the released script does it, written plainly: the baseline of `name=inference`.

All frames in memory, S3FD on each at full size, batches of 128 faces, the network as it was
trained, DIVX by OpenCV, and then everything encoded once more, with the sound.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.faces.s3fd import S3FD
from w2l.inference.timeline import published_starts
from w2l.models import Generator
from w2l.video import AudioTrack, VideoReader, VideoWriter
from w2l.windows import MEL_COLUMNS

FACE_BATCH = 16
GENERATOR_BATCH = 128


class Stopwatch:
    """Wall seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        """What was done since the last call belongs to `name`."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


def read_all(video: Path, limit: int) -> tuple[list[np.ndarray], float]:
    """The first `limit` frames of a video and its rate."""
    reader = cv2.VideoCapture(str(video))
    fps = reader.get(cv2.CAP_PROP_FPS)
    frames: list[np.ndarray] = []
    while len(frames) < limit:
        there, frame = reader.read()
        if not there:
            break
        frames.append(frame)
    reader.release()
    return frames, fps


def search(frames: list[np.ndarray], detector: S3FD) -> None:
    """Look at every frame at full size."""
    for first in range(0, len(frames), FACE_BATCH):
        detector.detect(frames[first : first + FACE_BATCH])


def sync_frames(
    frames: list[np.ndarray],
    fps: float,
    mel: np.ndarray,
    found: np.ndarray,
    generator: Generator,
    watch: Stopwatch,
) -> Iterator[np.ndarray]:
    """The synced frames, in order.

    Args:
        frames: the video's, (H, W, 3) uint8 BGR.
        fps: their rate.
        mel: of the new sound, float32 (80, M).
        found: box of each frame, int32 (N, 4).
        generator: in evaluation mode.
        watch: is told what took how long.
    """
    starts = published_starts(mel.shape[1], fps)
    for first in range(0, len(starts), GENERATOR_BATCH):
        images, mels, places = [], [], []
        for i in range(first, min(first + GENERATOR_BATCH, len(starts))):
            frame = frames[i % len(frames)].copy()
            left, top, right, bottom = found[i % len(frames)]
            images.append(cv2.resize(frame[top:bottom, left:right], (96, 96)))
            mels.append(mel[:, starts[i] : starts[i] + MEL_COLUMNS])
            places.append((frame, left, top, right, bottom))
        face = np.asarray(images)
        masked = face.copy()
        masked[:, 48:] = 0
        both = np.concatenate((masked, face), axis=3) / 255.0
        image = torch.FloatTensor(np.transpose(both, (0, 3, 1, 2)))
        sound = torch.FloatTensor(np.reshape(np.asarray(mels), (len(mels), 1, 80, 16)))
        watch.stage("batches")
        with torch.no_grad():
            out = generator(sound, image).numpy().transpose(0, 2, 3, 1) * 255.0
        watch.stage("generator")
        for face, (frame, left, top, right, bottom) in zip(out, places, strict=True):
            frame[top:bottom, left:right] = cv2.resize(
                face.astype(np.uint8), (right - left, bottom - top)
            )
            yield frame


def sync_as_published(
    video: Path,
    audio: Path,
    outfile: Path,
    generator: Generator,
    *,
    limit: int,
    box: np.ndarray,
) -> tuple[int, dict[str, float]]:
    """Sync the first `limit` frames of a video; frames written, and seconds of each stage.

    Args:
        video: of which so many frames are taken.
        audio: what is to be said; as much of it as those frames last.
        outfile: an mp4.
        generator: in evaluation mode.
        limit: frames.
        box: fixed: left, top, right, bottom of the face.
    """
    watch = Stopwatch()
    frames, fps = read_all(video, limit)
    watch.stage("reading")
    mel = log_mel(load_audio(audio)[: int(limit / fps * 16_000)])
    watch.stage("mel")
    found = np.repeat(np.asarray(box, np.int32)[None], len(frames), axis=0)
    height, width = frames[0].shape[:2]
    divx = outfile.with_suffix(".avi")
    writer = cv2.VideoWriter(str(divx), cv2.VideoWriter.fourcc(*"DIVX"), fps, (width, height))
    n = 0
    for frame in sync_frames(frames, fps, mel, found, generator, watch):
        writer.write(frame)
        n += 1
    writer.release()
    watch.stage("pasting and DIVX")
    encode_again(divx, audio, outfile, Fraction(fps).limit_denominator(1001), (width, height))
    watch.stage("encoding again")
    return n, watch.seconds


def encode_again(
    divx: Path, audio: Path, outfile: Path, fps: Fraction, size: tuple[int, int]
) -> None:
    """What the script's last command does, `ffmpeg -i sound -i images`: x264's own settings."""
    track = AudioTrack(audio)
    with VideoWriter(outfile, fps, size, track, crf=23, preset="medium") as writer:
        for image in VideoReader(divx):
            writer.write(image)
