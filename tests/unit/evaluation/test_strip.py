"""The strip that moves: each frame at its time, and the curve as far as the time has come."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence

from evaluation.strip import CURVES, HEIGHT, TITLE, moving_strip
from w2l.metrics import offsets, summarize
from w2l.scoring.results import TrackScore
from w2l.scoring.scorer import CosineResult
from w2l.video import VideoWriter


def scored(n_windows: int) -> TrackScore:
    curve = np.full(n_windows, 0.5, np.float32)
    cosine = CosineResult(curve, summarize(torch.from_numpy(curve)), np.zeros(len(offsets())), 0, 0)
    return TrackScore(0, n_windows + 4, cosine=cosine)


def test_frames_and_curve_run_together(tmp_path: Path) -> None:
    videos = {"source": tmp_path / "a.mkv", "result": tmp_path / "b.mkv"}
    for path, n_frames in zip(videos.values(), (20, 15), strict=True):
        with VideoWriter(path, 25, (48, 64), codec="ffv1") as writer:
            for n in range(n_frames):
                writer.write(np.full((64, 48, 3), (10 * n, 0, 0), np.uint8))  # blue rises
    strip = Image.open(io.BytesIO(moving_strip(videos, {k: scored(11) for k in videos})))
    width = HEIGHT * 48 // 64
    seen, durations = [], set()
    for frame in ImageSequence.Iterator(strip):
        seen.append(np.asarray(frame.convert("RGB"), float))
        durations.add(strip.info["duration"])
    assert (len(seen), durations) == (20, {40})
    assert strip.size == (2 * width + CURVES, TITLE + HEIGHT)
    for n, image in enumerate(seen):
        for left, n_frames in ((0, 20), (width, 15)):
            inside = image[TITLE + 20 : -20, left + 20 : left + width - 20].mean(axis=(0, 1))
            blue = [0, 0, 10 * n] if n < n_frames else [255, 255, 255]  # one is over before
            assert np.abs(inside - blue).max() < 8, (n, inside)

    def coloured(image: np.ndarray) -> int:
        plot = image[TITLE + 10 : TITLE + 120, 2 * width + 42 : -14]
        return int((np.ptp(plot, axis=2) > 100).sum())

    drawn = [coloured(image) for image in seen]
    assert drawn[0] == 0
    assert drawn[6] < drawn[10] < drawn[14]
