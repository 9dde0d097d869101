"""Seconds that scoring a clip takes, against scoring it as the published code does."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import torch
from omegaconf import DictConfig
from rich.console import Console
from threadpoolctl import threadpool_limits

from benchmarks.face_videos import write_face_videos
from benchmarks.published_scoring import published_scores
from w2l.audio.waveform import load_audio
from w2l.checkpoints import load_syncnet
from w2l.models import SyncNetV2
from w2l.scoring import SyncScorer, find_videos
from w2l.scoring.embeddings import lip_embeddings, sound_embeddings
from w2l.video import VideoReader
from w2l.windows import FPS

SIZE = (224, 224)  # of the clips made for it, as SyncNet's own example
FITTED = 40  # frames of each clip that random weights' norms are fitted to
Scores = tuple[float, float, int]


def measure(cfg: DictConfig, console: Console) -> dict[str, Any]:
    """One thread: the same clips both ways, in turn."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = cfg.evaluation
    with TemporaryDirectory() as folder, threadpool_limits(1):
        videos = made_or_named(settings, Path(folder), cfg.seed)
        syncnet = network(settings.syncnet, videos, cfg.seed)
        scorer = SyncScorer(syncnet)
        clips = {}
        for video in videos:
            clips[video.name] = compare(syncnet, scorer, video, settings.turns)
            console.print(f"{video.name}: {clips[video.name]}", markup=False, soft_wrap=True)
    seconds = {
        way: sum(clip["seconds"][way] for clip in clips.values()) for way in ("ours", "published")
    }
    return {
        "ratio": round(seconds["published"] / seconds["ours"], 2),
        "of": "CPU seconds per clip on one thread, file to LSE, whole-frame protocol; published: "
        "frames dumped by FFmpeg and read back, windows in batches of 20, distances in a loop",
        "weights": "random, norms fitted to the clips"
        if settings.syncnet is None
        else str(settings.syncnet),
        "largest_change_of_lse_d": max(clip["change_of_lse_d"] for clip in clips.values()),
        "clips": clips,
    }


def made_or_named(settings: DictConfig, folder: Path, seed: int) -> list[Path]:
    """The videos that `video=` names, or one that is made."""
    if settings.video is not None:
        return find_videos(settings.video)
    return write_face_videos(folder, clips=1, frames=settings.frames, size=SIZE, seed=seed)


def network(file: str | None, videos: list[Path], seed: int) -> SyncNetV2:
    """SyncNet of a file; of none: random weights whose norms fit these clips.

    Without that a random network's embeddings hardly depend on what it sees.
    """
    if file is not None:
        return load_syncnet(file)
    torch.manual_seed(seed)
    syncnet = SyncNetV2().train()
    for module in syncnet.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # a plain mean over what is seen now
    with torch.no_grad():
        for video in videos:
            frames, waveform = islice(VideoReader(video, fps=FPS), FITTED), load_audio(video)
            n = len(lip_embeddings(syncnet, frames, len(waveform), batch_size=FITTED))
            sound_embeddings(syncnet, waveform, n, batch_size=FITTED)
    return syncnet.eval()


def compare(syncnet: SyncNetV2, scorer: SyncScorer, video: Path, turns: int) -> dict[str, Any]:
    """CPU seconds of both ways, medians over turns, and how far the scores are apart."""
    seconds: dict[str, list[float]] = {"ours": [], "published": []}
    scores: dict[str, Scores] = {}
    for _ in range(turns):
        with TemporaryDirectory() as folder:
            ways = {
                "ours": partial(ours, scorer, video),
                "published": partial(published_scores, syncnet, video, Path(folder)),
            }
            for way, score in ways.items():
                taken, scores[way] = timed(score)
                seconds[way].append(taken)
    mine, theirs = scores["ours"], scores["published"]
    median = {way: round(statistics.median(values), 3) for way, values in seconds.items()}
    return {
        "ratio": round(median["published"] / median["ours"], 2),
        "seconds": median,
        "lse_d": {way: round(values[0], 4) for way, values in scores.items()},
        "lse_c": {way: round(values[1], 4) for way, values in scores.items()},
        "offset": {way: values[2] for way, values in scores.items()},
        "change_of_lse_d": round(abs(mine[0] - theirs[0]) / theirs[0], 5),
    }


def ours(scorer: SyncScorer, video: Path) -> Scores:
    """The same scores as `evaluate.py protocol=lrs` gives."""
    result = scorer.lse(VideoReader(video, fps=FPS), load_audio(video, origin="video")).lse
    return result.lse_d, result.lse_c, result.offset


def timed(function: Callable[[], Scores]) -> tuple[float, Scores]:
    """CPU seconds, those of commands that it ran included, and what it returned."""
    start = sum(os.times()[:4])
    result = function()
    return sum(os.times()[:4]) - start, result
