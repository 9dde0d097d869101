"""Frames a second of looking for faces, against S3FD on every frame at full size."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console

from benchmarks.face_videos import write_face_videos
from benchmarks.keys import Benchmarks
from benchmarks.preparation import published_detector
from benchmarks.published_inference import read_all, search
from benchmarks.turns import seconds_in_turn
from w2l.faces import CenterFace
from w2l.faces.search import detect_video


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """The same decoded frames both ways, in turn."""
    given = cfg.detection
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (video,) = write_face_videos(
            root, clips=1, frames=given.frames, size=(given.size[0], given.size[1]), seed=cfg.seed
        )
        frames, _ = read_all(video, given.frames)
        detector, published = CenterFace(), published_detector(root / "s3fd.pth")
        few = frames[: given.published_frames]
        seconds = seconds_in_turn(
            {
                "ours": lambda: list(detect_video(frames, detector, 5)),
                "every_frame": lambda: list(detect_video(frames, detector, 1)),
                "published": lambda: search(few, published),
            },
            given.turns,
        )
    rate = {name: len(frames) / value for name, value in seconds.items()}
    rate["published"] = len(few) / seconds["published"]
    console.print(f"frames/s: {rate}", markup=False)
    return {
        "ratio": round(rate["ours"] / rate["published"], 1),
        "ratio_every_frame": round(rate["every_frame"] / rate["published"], 1),
        "of": f"frames per second at {given.size[0]}x{given.size[1]}, CenterFace on every fifth "
        "frame and faces followed between, over S3FD on each at full size",
        "frames_per_s": {name: round(value, 2) for name, value in rate.items()},
        "threads": torch.get_num_threads(),
        "turns": given.turns,
    }
