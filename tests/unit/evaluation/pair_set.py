"""A few small clips and narrow untrained networks, for benchmarks that take seconds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evaluation.pairs.settings import Recipe, Weights
from tests.unit.preprocess.clips import write_video
from tests.writing import save_network
from w2l.building import Component
from w2l.files import sha256
from w2l.models import Expert, Generator

FRAMES = 20
BOX = (20, 140, 20, 140)


def clips(root: Path) -> Path:
    """Of ann and ben good ones, and one that is bad in each way a pair can be."""
    write_video(root / "ann/1.mp4", face_frames=[True] * FRAMES, seconds_of_sound=0.7)
    write_video(root / "ben/1.mp4", face_frames=[True] * FRAMES, seconds_of_sound=0.6)
    write_video(root / "ben/long.mp4", face_frames=[False] * 3, seconds_of_sound=1.2)
    write_video(
        root / "ben/hidden.mp4", face_frames=[True] * 7 + [False] * 6 + [True] * 7,
        seconds_of_sound=0.7,
    )  # fmt: skip
    write_video(root / "ben/brief.mp4", face_frames=[True] * 9, seconds_of_sound=0.2)
    write_video(root / "ben/mute.mp4", face_frames=[True] * FRAMES, seconds_of_sound=None)
    (root / "ben/broken.mp4").write_bytes((root / "ann/1.mp4").read_bytes()[:900])
    write_nan(root / "ben/nan.wav")
    return root


def write_nan(path: Path) -> None:
    """A wav file of floats, one of which is no number."""
    samples = np.zeros(16000, "<f4")
    samples[5000] = np.nan
    data = samples.tobytes()
    fmt = np.array([16, 0, 3 + (1 << 16), 16000, 64000, 4 + (32 << 16)], "<u4")
    head = b"fmt " + fmt[[0]].tobytes() + fmt[2:].tobytes()
    body = b"WAVE" + head + b"data" + np.uint32(len(data)).tobytes() + data
    path.write_bytes(b"RIFF" + np.uint32(len(body)).tobytes() + body)


def networks(folder: Path) -> dict[str, Weights]:
    """A generator and two experts as files."""
    torch.manual_seed(0)
    found = {}
    for name, network, kind in (
        ("generator", Generator(0.05), "generator"),
        ("expert", Expert(0.05), "expert"),
        ("other", Expert(0.05), "expert"),
    ):
        path = save_network(network, kind, folder / f"{name}.ckpt")
        found[name] = Weights(str(path), sha256(path))
    return found


def recipe(files: dict[str, Weights], **changed: Any) -> Recipe:
    """As published, with CenterFace, scored by the expert."""
    values: dict[str, Any] = {
        "published": True,
        "protocol": "lrs",
        "generator": files["generator"],
        "syncnet": None,
        "expert": files["expert"],
        "detector": Component("w2l.faces.CenterFace"),
        "box": BOX,
        **changed,
    }
    return Recipe(**values)


def improved(files: dict[str, Weights], **changed: Any) -> Recipe:
    """This project's own settings."""
    own = {"person": "largest", "missing_face": "pass", "extend": "pingpong", "quality": "improved"}
    return recipe(files, published=False, detect_every=5, **{**own, **changed})


def copy_set(source: Path, target: Path) -> Path:
    """The clips at another place."""
    shutil.copytree(source, target)
    return target
