"""Seconds that scoring a clip takes, against scoring it as the published code does."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import torch
from rich.console import Console
from threadpoolctl import threadpool_limits

from benchmarks.face_videos import write_face_videos
from benchmarks.keys import Benchmarks, Deviations, Evaluation
from benchmarks.limits import flops, matrix_rate
from benchmarks.published_scoring import published_scores
from benchmarks.resident import peak_resident
from benchmarks.turns import row
from w2l.audio.waveform import load_audio
from w2l.checkpoints import load_syncnet
from w2l.models import SyncNetV2
from w2l.scoring import SyncScorer, find_videos
from w2l.scoring.embeddings import lip_embeddings, sound_embeddings
from w2l.video import VideoReader, jpeg_frames
from w2l.windows import FPS

SIZE = (224, 224)  # of the clips made for it, as SyncNet's own example
FITTED = 40  # frames of each clip that random weights' norms are fitted to
Scores = tuple[float, float, int]
OURS = {"ours": False, "ours with JPEG": True}
WAYS = (*OURS, "published")


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """The same clips, weights and threads both ways, in turn."""
    settings = cfg.evaluation
    threads = settings.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    with TemporaryDirectory() as folder, threadpool_limits(threads):
        videos = made_or_named(settings, Path(folder), cfg.seed)
        syncnet = network(settings.syncnet, videos, cfg.seed)
        scorer = SyncScorer(syncnet)
        clips = {}
        for video in videos:
            clips[video.name] = compare(syncnet, scorer, video, settings.turns)
            console.print(f"{video.name}: {clips[video.name]}", markup=False, soft_wrap=True)
    seconds = {way: sum(clip["seconds"][way] for clip in clips.values()) for way in WAYS}
    taken = {
        way: [sum(turn) for turn in zip(*(c["each"][way] for c in clips.values()), strict=True)]
        for way in WAYS
    }
    windows = sum(clip["windows"] for clip in clips.values())
    limit = matrix_rate("float32", threads) / syncnet_flops(syncnet)  # windows/s
    return {
        "ratio": round(seconds["published"] / seconds["ours"], 2),
        "ratio_with_jpeg": round(seconds["published"] / seconds["ours with JPEG"], 2),
        "of": f"{'CPU seconds' if threads == 1 else 'seconds'} per clip, file to LSE, "
        "whole-frame protocol; ours: with JPEG as published=true; published: frames dumped by "
        "FFmpeg and read back, windows in batches of 20, distances in a loop",
        "threads": threads,
        "weights": "random, norms fitted to the clips"
        if settings.syncnet is None
        else str(settings.syncnet),
        "largest_change_of_lse_d": {
            way: max(clip["change_of_lse_d"][way] for clip in clips.values()) for way in OURS
        },
        "clips": clips,
        "rows": [
            row(
                f"scoring (LSE), {threads} thread(s)",
                "windows/s",
                {
                    name: [windows / each for each in taken[way]]
                    for name, way in (
                        ("published", "published"),
                        ("same", "ours with JPEG"),
                        ("ours", "ours"),
                    )
                },
                share=windows / seconds["ours"] / limit,
                memory_gb=peak_resident() / 1e9,
                told="frames are not put through JPEG",
            )
        ],
    }


def syncnet_flops(syncnet: SyncNetV2) -> int:
    """Of one more window, as the published network computes it."""
    images, sound = torch.zeros(1, 3, 5, 224, 224), torch.zeros(1, 1, 13, 20)
    return flops(lambda: (syncnet.embed_lips(images), syncnet.embed_audio(sound)))


def made_or_named(settings: Evaluation | Deviations, folder: Path, seed: int) -> list[Path]:
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
    """Seconds of all ways, medians over turns, and how far the scores are apart."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    scores: dict[str, Scores] = {}
    counted = {"windows": sum(1 for _ in VideoReader(video, fps=FPS)) - 5}
    for _ in range(turns):
        with TemporaryDirectory() as folder:
            ways = {way: partial(ours, scorer, video, jpeg) for way, jpeg in OURS.items()}
            ways["published"] = partial(published_scores, syncnet, video, Path(folder))
            for way, score in ways.items():
                taken, scores[way] = timed(score)
                seconds[way].append(taken)
    theirs = scores["published"]
    median = {way: round(statistics.median(values), 3) for way, values in seconds.items()}
    return {
        "ratio": round(median["published"] / median["ours"], 2),
        "seconds": median,
        "each": seconds,
        "windows": counted["windows"],
        "lse_d": {way: round(values[0], 4) for way, values in scores.items()},
        "lse_c": {way: round(values[1], 4) for way, values in scores.items()},
        "offset": {way: values[2] for way, values in scores.items()},
        "change_of_lse_d": {
            way: round(abs(scores[way][0] - theirs[0]) / theirs[0], 6) for way in OURS
        },
    }


def ours(scorer: SyncScorer, video: Path, jpeg: bool) -> Scores:
    """The same scores as `evaluate.py protocol=lrs` gives; with JPEG: and published=true."""
    frames = VideoReader(video, fps=FPS)
    shown = jpeg_frames(video, frames.fps) if jpeg else frames
    result = scorer.lse(shown, load_audio(video, origin="video")).lse
    return result.lse_d, result.lse_c, result.offset


def timed(function: Callable[[], Scores]) -> tuple[float, Scores]:
    """Seconds and what it returned.

    With one thread CPU seconds, those of commands that it ran included: other work beside it
    changes them less.
    """
    alone = torch.get_num_threads() == 1
    start = sum(os.times()[:4]) if alone else time.perf_counter()
    result = function()
    return (sum(os.times()[:4]) if alone else time.perf_counter()) - start, result
