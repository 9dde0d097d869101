"""Seconds from what is spoken to the frame that says it, stage by stage, in real time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.keys import Benchmarks
from benchmarks.turns import seconds_in_turn
from w2l import examples
from w2l.audio import SAMPLE_RATE
from w2l.audio.mel import HOP_LENGTH, N_FFT
from w2l.audio.waveform import load_audio
from w2l.inference import Avatar, FaceGenerator, LipSync, SyncOptions
from w2l.inference.live import LiveFrames
from w2l.inference.timeline import window_start
from w2l.windows import MEL_COLUMNS


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """A GRID clip that says all three clips' speech, over and over, spoken as fast as by people."""
    given = cfg.live
    lipsync = LipSync.from_pretrained(given.checkpoint, device=given.device)
    options = SyncOptions(batch_size=given.batch_size)
    face = examples.path(examples.names()[0])
    samples = speech(given.seconds)
    start = time.perf_counter()
    avatar = lipsync.avatar(face, options=options)
    prepare_s = time.perf_counter() - start
    with TemporaryDirectory() as folder:
        file = avatar.save(Path(folder) / "face.avatar")
        files = seconds_in_turn(
            {
                "save": lambda: avatar.save(file),
                "load": lambda: Avatar.load(file, lipsync, options),
            },
            given.turns,
        )
        megabytes = file.stat().st_size / 1e6
    chunks = np.array_split(samples, len(samples) // given.chunk)
    whole = seconds_in_turn(
        {
            "live": lambda: sum(1 for _ in avatar.stream(chunks)),
            "offline": lambda: sum(
                1 for _ in lipsync.frames(face, samples, options=avatar.options,
                                          sample_rate=SAMPLE_RATE)
            ),
            "offline_known_face": lambda: sum(
                1 for _ in lipsync.frames(face, samples, sample_rate=SAMPLE_RATE,
                                          options=SyncOptions(box=np.array(avatar.plan.boxes[0]),
                                                              batch_size=given.batch_size))
            ),
        },
        given.turns,
    )  # fmt: skip
    stages = in_real_time(avatar, chunks)
    played = play(avatar, samples)
    table = Table("milliseconds", "median", "99 %")
    for name, values in stages.items():
        table.add_row(name.replace("_", " "), *(f"{value:.1f}" for value in values.values()))
    console.print(table)
    seconds = len(samples) / SAMPLE_RATE
    return {
        "ratio": round(seconds / whole["live"], 2),
        "ratio_like_for_like": round(whole["offline_known_face"] / whole["live"], 2),
        "of": "seconds of speech over seconds of work of Avatar.stream in chunks of "
        f"{given.chunk} samples; like for like: seconds of LipSync.frames with a fixed box, the "
        "same batches and threads, over those of Avatar.stream",
        "milliseconds": stages,
        "player": played,
        "seconds": {name: round(value, 3) for name, value in whole.items()},
        "prepare_s": round(prepare_s, 3),
        "save_ms": round(1e3 * files["save"], 2),
        "load_ms": round(1e3 * files["load"], 2),
        "file_mb": round(megabytes, 1),
        "speech_s": seconds,
        "size": list(avatar.size),
        "frames": len(avatar),
        "batch_size": avatar.options.batch_size,
        "checkpoint": given.checkpoint,
        "device": str(lipsync.generator.device),
        "threads": torch.get_num_threads(),
        "turns": given.turns,
    }


def speech(seconds: float) -> np.ndarray:
    """The sounds of the clips that come with w2l, again and again: 16 kHz mono."""
    voices = [load_audio(examples.path(name)) for name in examples.names()]
    n = round(seconds * SAMPLE_RATE)
    return np.resize(np.concatenate(voices), n)


class Watched(FaceGenerator):
    """A generator that says how long it took."""

    def __init__(self, generator: FaceGenerator) -> None:
        self.__dict__ = generator.__dict__
        self.taken_s = 0.0

    def __call__(
        self, faces: Sequence[np.ndarray] | np.ndarray, mels: Sequence[np.ndarray] | np.ndarray
    ) -> np.ndarray:
        """See `FaceGenerator`."""
        start = time.perf_counter()
        generated = super().__call__(faces, mels)
        self.taken_s = time.perf_counter() - start
        return generated


def in_real_time(avatar: Avatar, chunks: Sequence[np.ndarray]) -> dict[str, dict[str, float]]:
    """Milliseconds of each stage: each chunk comes when its last sample was spoken."""
    given, watched = avatar.generator, Watched(avatar.generator)
    avatar.generator = watched
    frames, size = LiveFrames(avatar), avatar.options.batch_size
    found: dict[str, list[float]] = {name: [] for name in STAGES}
    start, spoken = time.perf_counter(), 0
    for chunk in chunks:
        spoken += len(chunk)
        while (wait := start + spoken / SAMPLE_RATE - time.perf_counter()) > 0:
            time.sleep(wait)
        before = time.perf_counter()
        frames.take(chunk)
        found["hearing_a_chunk"].append(time.perf_counter() - before)
        while frames.is_ready():
            first, begun = frames.next_frame, time.perf_counter()
            frames.make(size)
            done = time.perf_counter()
            found["generating_a_batch"].append(watched.taken_s)
            found["compositing_a_batch"].append(done - begun - watched.taken_s)
            for index in range(first, first + size):
                lead = avatar.generator.lead_frames
                column = window_start(index, avatar.fps, lead) + MEL_COLUMNS - 1
                heard_s = (column * HOP_LENGTH + N_FFT // 2) / SAMPLE_RATE
                at_s = float(Fraction(index) / avatar.fps)
                found["waiting_for_the_chunk_and_batch"].append(begun - start - heard_s)
                found["look_ahead"].append(heard_s - at_s)
                found["beyond_the_look_ahead"].append(done - start - heard_s)
                found["from_a_sample_to_its_frame"].append(done - start - at_s)
    avatar.generator = given
    return {
        name: {
            "median": round(1e3 * float(np.median(values)), 1),
            "p99": round(1e3 * float(np.percentile(values, 99)), 1),
        }
        for name, values in found.items()
    }


STAGES = (
    "look_ahead",
    "waiting_for_the_chunk_and_batch",
    "hearing_a_chunk",
    "generating_a_batch",
    "compositing_a_batch",
    "beyond_the_look_ahead",
    "from_a_sample_to_its_frame",
)


def play(avatar: Avatar, samples: np.ndarray) -> dict[str, float]:
    """The player in real time: its delay, frames that were dropped, and how late the others came.

    Args:
        avatar: who speaks.
        samples: what is said, 16 kHz mono.
    """
    player = avatar.player(queue_s=len(samples) / SAMPLE_RATE + 1)
    player.say(samples)
    late = []
    for frame in player.play():
        if frame.is_new:
            late.append(frame.late_s)
        if frame.number >= len(samples) / SAMPLE_RATE * avatar.fps:
            player.stop()
    return {
        "delay_ms": round(1e3 * player.delay_s, 1),
        "dropped": player.n_dropped,
        "frames": len(late) + player.n_dropped,
        "late_ms_median": round(1e3 * float(np.median(late)), 1),
        "late_ms_p99": round(1e3 * float(np.percentile(late, 99)), 1),
    }
