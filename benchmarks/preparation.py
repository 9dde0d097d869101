"""Frames a second of a preparation, against preparing as the published code does."""

from __future__ import annotations

import statistics
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from threadpoolctl import threadpool_limits

from benchmarks.face_videos import write_face_videos
from benchmarks.keys import Benchmarks
from benchmarks.published_inference import read_all
from preprocess.rejection import RejectedError
from preprocess.settings import Recipe
from preprocess.steps.chain import prepare_clip
from preprocess.steps.probe import check
from preprocess.times import Times
from w2l.audio.waveform import load_audio
from w2l.components import Clip, FaceDetector
from w2l.faces import CenterFace
from w2l.faces.face_alignment import package
from w2l.faces.s3fd import S3FD
from w2l.models import SyncNetV2
from w2l.scoring import SyncScorer
from w2l.video.shots import shots_of
from w2l.windows import FPS

FRAMES = 75  # of each clip: 3 s
BATCH = 32  # frames in S3FD at once, published
HOURS = {"lrs2_29_h": 29, "voxceleb2_2400_h": 2400}


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """One core, one thread: the same videos both ways, in turn."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    sizes = {f"{width}x{height}": (width, height) for width, height in cfg.preparation.sizes}
    with TemporaryDirectory() as folder, threadpool_limits(1):
        root = Path(folder)
        detector = CenterFace()
        judge = SyncScorer(SyncNetV2().eval(), device="cpu")  # random weights cost as much
        published = published_detector(root / "s3fd.pth")
        results = {}
        for name, size in sizes.items():
            videos = write_face_videos(
                root / name, clips=cfg.preparation.clips, frames=FRAMES, size=size, seed=cfg.seed
            )
            clips = [Clip(v.parent, v.name, v.parent.name, "00001") for v in videos]
            results[name] = compare(clips, root / name, detector, judge, published, cfg, console)
    name, first = next(iter(results.items()))
    return {
        "ratio": first["ratio"],
        "of": f"frames per second of one core, {name}, all steps from cutting on but the search "
        "for the offset, over S3FD at full size on every frame, crops as JPEG, and the sound",
        "sizes": results,
        "core_hours": {
            what: {way: round(hours * FPS / rate, 1) for way, rate in first["frames_per_s"].items()}
            for what, hours in HOURS.items()
        },
        "clips": cfg.preparation.clips,
        "frames_per_clip": FRAMES,
        "published_frames": cfg.preparation.published_frames,
    }


def published_detector(path: Path) -> S3FD:
    """S3FD with weights that find nothing.

    The network costs the same with any weights. Where it finds nothing, what the published code
    does with each candidate in Python is spared, which is to its advantage.
    """
    torch.manual_seed(0)
    net = package("detection.sfd.net_s3fd").s3fd()
    for name, parameter in net.named_parameters():
        if name.endswith("conf.bias"):
            torch.nn.init.zeros_(parameter)
            parameter.data[: len(parameter) - 1] = 50.0  # of the background
        elif name.endswith("conf.weight"):
            torch.nn.init.zeros_(parameter)
    torch.save(net.state_dict(), path)
    return S3FD(path, batch_size=BATCH)


def prepare_as_published(
    video: Path, out: Path, detector: S3FD, box: np.ndarray, limit: int
) -> int:
    """Frames of one video, prepared as the release does; returns how many.

    All frames are read, searched at full size, and the crop of each written by OpenCV. The
    box comes from outside, since the weights find none. The release runs FFmpeg for the sound;
    here the same library decodes it in this process.

    Args:
        video: of which so many frames are taken.
        out: a folder.
        detector: S3FD.
        box: left, top, right, bottom of the face.
        limit: frames.
    """
    frames, _ = read_all(video, limit)
    out.mkdir(parents=True, exist_ok=True)
    left, top, right, bottom = box
    for start in range(0, len(frames), BATCH):
        batch = frames[start : start + BATCH]
        detector.detect(batch)
        for number, frame in enumerate(batch, start):
            cv2.imwrite(str(out / f"{number}.jpg"), frame[top:bottom, left:right])
    np.save(out / "sound.npy", load_audio(video)[: limit * 640])
    return len(frames)


def compare(
    clips: list[Clip],
    root: Path,
    detector: FaceDetector,
    judge: SyncScorer,
    published: S3FD,
    cfg: Benchmarks,
    console: Console,
) -> dict[str, Any]:
    """Frames/s of both ways, medians over turns; and what each step of ours takes."""
    seconds: dict[str, list[float]] = {"ours": [], "with_sync": [], "published": []}
    times = Times()
    prepare_all(clips, root, detector, Times())  # warms up
    for _ in range(cfg.preparation.turns):
        turn = Times()
        start = time.process_time()
        box = prepare_all(clips, root, detector, turn)
        cut(clips, turn)
        ours = (time.process_time() - start) / (len(clips) * FRAMES)
        times.update(turn)
        seconds["ours"].append(ours)
        seconds["with_sync"].append(ours + sync_seconds(clips, root, detector, judge))
        start = time.process_time()
        limit = cfg.preparation.published_frames
        frames = prepare_as_published(clips[0].path, root / "published", published, box, limit)
        seconds["published"].append((time.process_time() - start) / frames)
    rate = {name: 1 / statistics.median(values) for name, values in seconds.items()}
    n = cfg.preparation.turns * len(clips) * FRAMES
    steps = {name: 1e3 * total / n for name, total in times.most_common()}
    steps["sync"] = 1e3 / rate["with_sync"] - 1e3 / rate["ours"]
    result = {
        "ratio": round(rate["ours"] / rate["published"], 1),
        "ratio_with_sync": round(rate["with_sync"] / rate["published"], 1),
        "frames_per_s": {name: round(value, 2) for name, value in rate.items()},
        "ms_per_frame": {name: round(value, 3) for name, value in steps.items()},
    }
    console.print(f"{root.name}: {result}", markup=False)
    return result


def prepare_all(clips: list[Clip], root: Path, detector: FaceDetector, times: Times) -> np.ndarray:
    """Prepare the clips as a worker does; returns the first box."""
    for clip in clips:
        folder = root / "out" / clip.speaker
        clip.path.touch()  # a new file, which nobody has looked at in an earlier turn
        record = prepare_clip(clip, folder, Recipe(), detector, times=times)
        assert record["n_faces"] == FRAMES, "a face is in every frame"
    return np.array(record["boxes"][0])


def sync_seconds(clips: list[Clip], root: Path, detector: FaceDetector, judge: SyncScorer) -> float:
    """Seconds a frame that SyncNet v2 takes to look for the offset."""
    times = Times()
    for clip in clips:
        with suppress(RejectedError):  # random weights find none
            prepare_clip(clip, root / "synced", Recipe(), detector, judge=judge, times=times)
    return times["sync"] / (len(clips) * FRAMES)


def cut(clips: list[Clip], times: Times) -> None:
    """Look for scenes, as it is done before clips are prepared."""
    with times.step("cut"):
        for clip in clips:
            clip.path.touch()  # another process cuts than prepares
            shots_of(clip.path, check(clip.path).width)
