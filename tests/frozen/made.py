"""Inputs of the frozen tests: the same numbers on every machine, and nothing of `w2l` in them."""

from __future__ import annotations

import json
import os
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from tests.fill import uniform, weight

HERE = Path(__file__).parent
WRITING = bool(os.environ.get("W2L_FREEZE"))  # the stored values are written anew


def machine() -> str:
    """What sums in one order: torch's version and the processor's instructions.

    Processors with AMX add up otherwise even where they do not use it, in float64 too: the last
    bits of a network differ from those of others with AVX-512, and 20 updates make 5e-4 of them.
    """
    amx = " AMX" if torch.cpu._is_amx_tile_supported() else ""
    version = torch.__version__.partition("+")[0]
    return f"{version} {torch.backends.cpu.get_cpu_capability()}{amx}"


def kept(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """The stored values of a JSON file, or those found where they are to be stored."""
    path = HERE / f"{name}.json"
    if WRITING:
        path.write_text(json.dumps(found, indent=1) + "\n")
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


def network_file(path: Path, *names: str) -> Path:
    """A checkpoint with narrow networks of 48 px, of "expert", "generator", "discriminator".

    The first is the one that the file names.
    """
    known = json.loads((HERE / "networks.json").read_text())
    state = {}
    for name in names:
        for entry, shape in known[name]["entries"].items():
            value = np.array(weight(f"frozen {name}/{entry}", tuple(shape)))
            state[f"{name}.{entry}"] = torch.from_numpy(value)
    # With random weights a generator hardly hears, and an expert finds that nothing fits: it would
    # never be trained by.
    if "generator" in names:
        state["generator.output_block.1.weight"] *= 12
    if "expert" in names:
        state["expert.face_encoder.16.conv_block.1.bias"] += 0.1
        state["expert.audio_encoder.13.conv_block.1.bias"] += 0.1
    about = {"network": names[0], "config": known[names[0]]["config"]}
    torch.save({"state_dict": state, "w2l": about}, path)
    return path


def sound(samples: int, seed: int = 0) -> np.ndarray:
    """A buzz whose pitch and level change fifteen times a second, int16."""
    n = np.arange(samples)
    step = n // 1067
    draws = uniform("sound", (step[-1] + 1, 2), seed)
    level = np.rint(8000 * np.abs(draws[:, 0])).astype(np.int64)[step]
    period = (60 + np.rint(40 * draws[:, 1]).astype(np.int64))[step]
    return (level * (2 * (n % period) - period) // period).astype(np.int16)


def write_sound(path: Path, samples: np.ndarray) -> Path:
    """Mono, 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "NONE"))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def portrait() -> np.ndarray:
    """A face of some 90 px, uint8 (256, 256, 3) BGR: in the public domain, in scikit-image."""
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut()[:256, 96:352, ::-1])


def swaying(picture: np.ndarray, count: int) -> list[np.ndarray]:
    """Frames in which the picture goes to the side and back."""
    return [np.roll(picture, abs(i % 16 - 8) - 4, axis=1) for i in range(count)]


def write_video(path: Path, frames: list[np.ndarray], samples: np.ndarray | None = None) -> Path:
    """FFV1 of RGB at 25 fps, and 16-bit sound: what is read back is what was written."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("ffv1", rate=Fraction(25))
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "bgr0"
        audio = None if samples is None else file.add_stream("pcm_s16le", rate=16000, layout="mono")
        for frame in frames:
            file.mux(video.encode(av.VideoFrame.from_ndarray(frame, "bgr24")))
        file.mux(video.encode())
        if audio is not None and samples is not None:
            heard = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
            heard.sample_rate = 16000
            file.mux(audio.encode(heard))
            file.mux(audio.encode())
    return path


def read_video(path: Path) -> np.ndarray:
    """All frames, uint8 (N, H, W, 3) BGR."""
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)])


def write_clip(folder: Path, *, frames: int, seed: int) -> None:
    """A prepared clip in the published layout: a bar moves with the sound's level."""
    folder.mkdir(parents=True)
    samples = sound(frames * 640, seed)
    write_sound(folder / "audio.wav", samples)
    texture = np.rint(40 * uniform("texture", (12, 12, 3), seed)).astype(np.int64)
    texture = texture.repeat(8, axis=0).repeat(8, axis=1)
    for i in range(frames):
        level = int(np.abs(samples[i * 640 : (i + 1) * 640].astype(np.int64)).max()) // 300
        picture = texture + 90
        picture[64 : 64 + level, 24:72] = 220
        picture = np.roll(picture, i % 7, axis=1).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])


def write_data_set(root: Path) -> Path:
    """Four clips for training and two for validation, of 40 frames."""
    for split, count in {"train": 4, "val": 2}.items():
        names = [f"{split}{i}/00001" for i in range(count)]
        for i, name in enumerate(names):
            write_clip(root / name, frames=40, seed=10 * len(split) + i)
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return root
