"""What each departure from the published scoring does to features, LSE-D and LSE-C."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import python_speech_features
import torch
from rich.console import Console

from benchmarks.evaluation import made_or_named, network
from benchmarks.keys import Benchmarks
from w2l.audio import SAMPLE_RATE
from w2l.audio.waveform import load_audio
from w2l.metrics import lse, pairwise_distances, unpadded_lse
from w2l.models import FoldedSyncNet
from w2l.scoring.embeddings import lip_embeddings, sound_embeddings
from w2l.video import VideoReader, jpeg_frames
from w2l.windows import FPS

BATCH = 16
PASSED = 27  # frames of ours while a clip of 25² / 27 = 23.1 fps shows 25


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """Each departure by itself, beside FFmpeg's JPEG in between, which is published."""
    settings = cfg.deviations
    with TemporaryDirectory() as folder:
        videos = made_or_named(settings, Path(folder), cfg.seed)
        syncnet = network(settings.syncnet, videos, cfg.seed).folded()
        clips = {}
        for video in videos:
            clips[video.name] = deviations(syncnet, video, settings.frames)
            for name, change in clips[video.name].items():
                console.print(f"{video.name}: {name}: {change}", markup=False, soft_wrap=True)
    return {
        "ratio": max(clip["no JPEG"]["lips"] for clip in clips.values()),
        "of": "the lips' features without JPEG: norm of the change over the norm with it",
        "clips": clips,
    }


@torch.inference_mode()
def deviations(syncnet: FoldedSyncNet, video: Path, limit: int) -> dict[str, dict[str, float]]:
    """Per departure: relative change of both features (norms), and the scores with it."""
    waveform = load_audio(video)
    published = list(jpeg_frames(video, FPS))[:limit]
    plain = list(VideoReader(video, fps=FPS))[:limit]

    def seen(frames: Iterable[np.ndarray]) -> torch.Tensor:
        return lip_embeddings(syncnet, frames, len(waveform), BATCH)

    lips = seen(published)
    sound = sound_embeddings(syncnet, waveform, len(lips), BATCH)
    drifting = np.minimum(np.arange(limit) * PASSED // FPS, len(published) - 1)
    ways = {
        "published": (lips, sound),
        "no JPEG": (seen(plain), sound),
        "RGB for BGR": (seen(frame[..., ::-1].copy() for frame in published), sound),
        "23.1 fps taken for 25": (seen([published[i] for i in drifting]), sound),
        "MFCC of samples in [-1, 1]": (lips, _floating(syncnet, waveform, len(lips))),
    }
    found = {name: _change(lips, sound, *way) for name, way in ways.items()}
    plainly = unpadded_lse(pairwise_distances(lips, sound))
    found["no padding"] = {
        "lips": 0.0, "sound": 0.0, "lse_d": round(plainly.lse_d, 3),
        "lse_c": round(plainly.lse_c, 3), "offset": plainly.offset,
    }  # fmt: skip
    return found


def _floating(syncnet: FoldedSyncNet, waveform: np.ndarray, n: int) -> torch.Tensor:
    columns = python_speech_features.mfcc(waveform.astype(np.float64), SAMPLE_RATE).T
    windows = torch.from_numpy(np.ascontiguousarray(columns, np.float32)).unfold(1, 20, 4)
    batches = windows[:, :n].transpose(0, 1)[:, None].split(BATCH)
    return torch.cat([syncnet.embed_audio(batch) for batch in batches])


def _change(
    lips: torch.Tensor, sound: torch.Tensor, new_lips: torch.Tensor, new_sound: torch.Tensor
) -> dict[str, float]:
    n = min(len(lips), len(new_lips))
    scores = lse(pairwise_distances(new_lips[:n], new_sound[:n]))
    return {
        "lips": round(float((new_lips[:n] - lips[:n]).norm() / lips[:n].norm()), 4),
        "sound": round(float((new_sound[:n] - sound[:n]).norm() / sound[:n].norm()), 4),
        "lse_d": round(scores.lse_d, 3),
        "lse_c": round(scores.lse_c, 3),
        "offset": scores.offset,
    }
