"""Small videos with chosen timestamps, rates, formats and sounds, written with PyAV directly."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BLOCK = 1024


def numbered(index: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A grey image whose level says its number (mod 25): 3 levels of error still read right."""
    return np.full((size[1], size[0], 3), 5 + 10 * (index % 25), np.uint8)


def number_of(image: np.ndarray) -> int:
    """The number (mod 25) of an image made by `numbered`."""
    return round((float(image.mean()) - 5) / 10)


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    times: Sequence[Fraction],
    *,
    tick: Fraction = Fraction(1, 90_000),
    rate: Fraction = Fraction(25),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    sound: np.ndarray | None = None,
    sound_rate: int = 16_000,
    sound_start: Fraction = Fraction(0),
    sound_codec: str = "aac",
) -> Path:
    """Write BGR (or BGRA) images at exact times, with mono sound (n,) float32 if given."""
    container = av.open(str(path), "w")
    video = container.add_stream(codec, rate=rate, options=options or {})
    video.height, video.width = images[0].shape[:2]
    video.pix_fmt = pix_fmt
    video.time_base = tick
    video.codec_context.time_base = tick
    audio = None
    if sound is not None:
        audio = container.add_stream(sound_codec, rate=sound_rate, layout="mono")
        audio.codec_context.time_base = Fraction(1, sound_rate)
    for image, time in zip(images, times, strict=True):
        kind = "bgra" if image.shape[2] == 4 else "bgr24"
        frame = av.VideoFrame.from_ndarray(image, format=kind)
        if pix_fmt != kind:
            frame = frame.reformat(format=pix_fmt)
        frame.pts, frame.time_base = round(time / tick), tick
        container.mux(video.encode(frame))
    container.mux(video.encode(None))
    if audio is not None and sound is not None:
        kind = audio.codec_context.format.name
        samples = sound[None].astype(np.float32)
        if kind.startswith("s16"):
            samples = np.round(samples * 32767).astype(np.int16)
        for at in range(0, sound.size, BLOCK):
            block = np.ascontiguousarray(samples[:, at : at + BLOCK])
            frame = av.AudioFrame.from_ndarray(block, format=kind, layout="mono")
            frame.sample_rate, frame.time_base = sound_rate, Fraction(1, sound_rate)
            frame.pts = at + round(sound_start * sound_rate)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    container.close()
    return path


def constant(n: int, rate: Fraction | int, start: Fraction = Fraction(0)) -> list[Fraction]:
    """Times of n images at a constant rate."""
    return [start + Fraction(i) / rate for i in range(n)]


def sweep(n: int, rate: int) -> np.ndarray:
    """(n,) float32 whose pitch rises, so that a shift by one sample shows in `snr`."""
    t = np.arange(n) / rate
    return (0.3 * np.sin(2 * np.pi * (300 * t + 400 * t * t))).astype(np.float32)


def snr(wanted: np.ndarray, heard: np.ndarray) -> float:
    """Likeness of two waveforms of one length in dB; the ends, where codecs ring, left out."""
    assert wanted.shape == heard.shape
    edge = wanted.size // 20
    wanted, heard = wanted[edge:-edge], heard[edge:-edge]
    return float(10 * np.log10((wanted**2).mean() / ((wanted - heard) ** 2).mean().clip(1e-12)))


def decoded_sound(path: Path) -> np.ndarray:
    """What a plain FFmpeg decoder returns of a file's sound: (channels, n)."""
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
