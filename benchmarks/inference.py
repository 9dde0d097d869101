"""Wall time and memory of syncing a video, against syncing as the released script does."""

from __future__ import annotations

import itertools
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.console import Console

from benchmarks.face_videos import write_face_videos
from benchmarks.generator import half_flops, saved
from benchmarks.keys import Benchmarks
from benchmarks.limits import codec_seconds, matrix_rate
from benchmarks.preparation import published_detector
from benchmarks.published_inference import read_all, search, sync_as_published
from benchmarks.resident import peak_resident
from benchmarks.turns import row
from w2l.faces import CenterFace
from w2l.faces.search import detect_video
from w2l.inference import (
    FaceGenerator,
    Geometry,
    SyncOptions,
    build_generator,
    load_voice,
    open_source,
    sync_video,
)
from w2l.inference.finding import plan_faces
from w2l.memory import share_heap
from w2l.models import Generator
from w2l.windows import FPS

Seconds = dict[str, list[float]]


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """The same video both ways in turn, each run of ours in a process of its own."""
    given = cfg.inference
    size = (given.size[0], given.size[1])
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (video,) = write_face_videos(
            root, clips=1, frames=round(given.seconds * FPS), size=size, seed=cfg.seed
        )
        box = find_box(video)
        network = {"width": given.width, "image_size": 96}
        checkpoint = saved(random_generator(network), root)
        computed = build_generator(checkpoint, device="cpu").computed  # tried here, if it must be
        ours: Seconds = {"detected": [], "fixed_box": []}
        same: Seconds = {"detected": [], "fixed_box": []}
        theirs: Seconds = {"detected": [], "fixed_box": []}
        memory: dict[str, list[float]] = {"detected": [], "fixed_box": []}
        stages = []
        for turn in range(given.turns):
            for name, fixed in (("detected", None), ("fixed_box", box)):
                seconds, peak = in_process(sync, video, root / f"{turn}.mp4", fixed, checkpoint)
                ours[name].append(seconds)
                memory[name].append(peak)
                console.print(f"ours, {name}: {seconds:.1f} s, peak {peak:.2f} GB")
            alike, _ = in_process(sync_alike, video, root / "same.mp4", box, network)
            console.print(f"ours, like for like, fixed box: {alike:.1f} s")
            frame, milliseconds = in_process(
                published_seconds, video, root, box, network, asdict(given.published_frames)
            )
            theirs["detected"].append(given.seconds * FPS * frame["detected"])
            theirs["fixed_box"].append(given.seconds * FPS * frame["fixed_box"])
            same["fixed_box"].append(alike)
            same["detected"].append(alike + given.seconds * FPS * frame["same_search"])
            stages.append(milliseconds)
            console.print(f"published, ms a frame: {milliseconds}")
        codec = codec_seconds(video, min(round(given.seconds * FPS), 50))
    n = given.seconds * FPS
    least = {
        "generator": half_flops(random_generator(network)) / matrix_rate(computed.precision, 1),
        **codec,
    }
    shares = {
        # Boxes are looked for in a pass of its own, of which the decoding is the limit.
        name: n * (sum(least.values()) + again * codec["decode"]) / torch.get_num_threads()
        / statistics.median(ours[name])
        for name, again in (("detected", 1), ("fixed_box", 0))
    }  # fmt: skip
    ours_s = {name: statistics.median(values) for name, values in ours.items()}
    theirs_s = {name: statistics.median(values) for name, values in theirs.items()}
    return {
        "ratio": round(theirs_s["detected"] / ours_s["detected"], 2),
        "ratio_fixed_box": round(theirs_s["fixed_box"] / ours_s["fixed_box"], 2),
        "ratio_same": round(theirs_s["fixed_box"] / statistics.median(same["fixed_box"]), 2),
        "of": f"wall seconds of syncing {given.seconds:g} s of {size[0]}x{size[1]}, as published "
        "(measured on a piece, see published_frames, and multiplied) over ours by default "
        "(ratio_same: fixed box, float32, whole face, published=true)",
        "seconds": {name: round(value, 1) for name, value in ours_s.items()},
        "published_seconds": {name: round(value, 1) for name, value in theirs_s.items()},
        "published_ms_per_frame": {
            name: round(statistics.median(each[name] for each in stages), 2) for name in stages[0]
        },
        "peak_gb": round(max(itertools.chain(*memory.values())), 2),
        "computed": str(computed),
        "limit_ms_per_frame": {name: round(1e3 * value, 2) for name, value in least.items()},
        "rows": [
            row(
                f"syncing {size[0]}x{size[1]}, {what}, {torch.get_num_threads()} thread(s)",
                "frames/s",
                {
                    way: [n / seconds for seconds in each[name]]
                    for way, each in (("published", theirs), ("same", same), ("ours", ours))
                },
                share=shares[name],
                memory_gb=max(memory[name]),
                told=told,
            )
            for name, what, told in (
                ("fixed_box", "box given", f"lower half {computed}, encoded once"),
                (
                    "detected",
                    "face searched",
                    "and CenterFace on every fifth frame, not S3FD on each",
                ),
            )
        ],
        "published_frames": asdict(given.published_frames),
        "threads": torch.get_num_threads(),
        "turns": given.turns,
    }


def in_process(function: Any, *arguments: Any) -> Any:
    """A function's result, from a fresh process, so that its memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def random_generator(network: dict[str, Any]) -> Generator:
    """Random weights cost as much as trained ones."""
    torch.manual_seed(0)
    return Generator(**network).eval()


def sync(
    video: Path, outfile: Path, box: np.ndarray | None, checkpoint: Path
) -> tuple[float, float]:
    """Sync with the defaults of `infer.py`; seconds, and the process's peak memory in GB."""
    share_heap()  # as `infer.py` does
    lipsync = build_generator(checkpoint, device="cpu").lower_half()
    return timed_sync(video, outfile, lipsync, SyncOptions(box=box))


def sync_alike(
    video: Path, outfile: Path, box: np.ndarray, network: dict[str, Any]
) -> tuple[float, float]:
    """The same with what the release gives: whole faces in float32, in its own windows."""
    share_heap()
    options = SyncOptions(box=box, quality="fast", extend="loop", published=True)
    return timed_sync(video, outfile, FaceGenerator(random_generator(network), "cpu"), options)


def timed_sync(
    video: Path, outfile: Path, lipsync: FaceGenerator, options: SyncOptions
) -> tuple[float, float]:
    """Seconds, and the process's peak memory in GB."""
    start = time.perf_counter()
    detector = None if options.box is not None else CenterFace()
    source = open_source(video, Geometry(), constant_rate=not options.published)
    sync_video(source, load_voice(video), outfile, lipsync, detector, options)
    return time.perf_counter() - start, peak_resident() / 1e9


def published_seconds(
    video: Path, root: Path, box: np.ndarray, network: dict[str, Any], frames: dict[str, int]
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds a frame with and without the search for faces, and milliseconds by stage."""
    generator = random_generator(network)
    n, stages = sync_as_published(
        video, video, root / "published.mp4", generator, limit=frames["fixed_box"], box=box
    )
    each = {name: value / n for name, value in stages.items()}
    fixed = sum(each.values())
    images, _ = read_all(video, frames["detected"])
    detector = published_detector(root / "s3fd.pth")
    start = time.perf_counter()
    search(images, detector)
    each["faces"] = (time.perf_counter() - start) / len(images)
    start = time.perf_counter()
    list(detect_video(images, detector, 1))
    ours = (time.perf_counter() - start) / len(images)
    return (
        {"detected": fixed + each["faces"], "fixed_box": fixed, "same_search": ours},
        {name: round(1e3 * value, 2) for name, value in each.items()},
    )


def find_box(video: Path) -> np.ndarray:
    """The face's box in the first frame, for those who are given one."""
    source = open_source(video, Geometry())
    return plan_faces(source, 1, CenterFace(), SyncOptions()).boxes[0]
