"""The released way of syncing, written plainly, and what is measured beside it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from rich.console import Console

from benchmarks import detection, generator, inference, keys
from benchmarks.face_videos import write_face_videos
from benchmarks.published_inference import Stopwatch, read_all, sync_as_published, sync_frames
from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.boxes import from_tblr
from w2l.inference import FaceGenerator, Geometry, SyncOptions, load_voice, open_source
from w2l.inference.finding import plan_faces
from w2l.inference.lips import Role, synced
from w2l.inference.mouths import Mouths
from w2l.inference.source import images
from w2l.inference.voice import mel_windows
from w2l.models import Generator
from w2l.video import VideoReader

BOX = (20, 140, 30, 150)  # top, bottom, left, right
QUIET = Console(file=io.StringIO())


def test_the_plain_way_gives_what_published_gives(tmp_path):
    """Frame for frame as `published=true`, whose golden file is the release's own output."""
    (video,) = write_face_videos(tmp_path, clips=1, frames=30, size=(192, 160), seed=0)
    network = Generator(width=0.125).eval()
    top, bottom, left, right = BOX
    frames, fps = read_all(video, 30)
    found = np.repeat(np.array([[left, top, right, bottom]], np.int32), 30, axis=0)
    mel = log_mel(load_audio(video))
    plain = list(sync_frames(frames, fps, mel, found, network, Stopwatch()))
    options = SyncOptions(box=from_tblr(BOX), extend="loop", quality="fast", published=True)
    source = open_source(video, Geometry(), constant_rate=False)
    windows = mel_windows(source, load_voice(video), options)
    plan = plan_faces(source, len(windows), None, options)
    shown = images(source, len(windows), "loop")
    role = Role(plan, windows, Mouths())
    ours = list(synced(shown, role, FaceGenerator(network, "cpu"), options, 16))
    assert len(plain) == len(ours) == 27
    for theirs, mine in zip(plain, ours, strict=True):
        assert np.abs(theirs.astype(int) - mine.frame).max() <= 2  # a level, resized


def test_it_writes_a_video(tmp_path):
    (video,) = write_face_videos(tmp_path, clips=1, frames=30, size=(192, 160), seed=0)
    box = np.array([30, 20, 150, 140])
    out, network = tmp_path / "out.mp4", Generator(width=0.125).eval()
    n, seconds = sync_as_published(video, video, out, network, limit=20, box=box)
    assert n == VideoReader(out).count()
    assert set(seconds) >= {"reading", "generator", "encoding again"}


@pytest.mark.long
def test_what_is_measured():
    cfg = keys.Benchmarks(
        inference=keys.Inference(
            size=[192, 160], seconds=1, width=0.125,
            published_frames=keys.PublishedFrames(detected=1, fixed_box=20),
        ),
        generator=keys.Generator(width=0.125, faces=4, turns=1),
        detection=keys.Detection(size=[192, 160], frames=6, published_frames=1, turns=1),
    )  # fmt: skip
    threads = torch.get_num_threads()
    whole = inference.measure(cfg, QUIET)
    assert whole["ratio"] > whole["ratio_fixed_box"] > 0
    assert 0.2 < whole["peak_gb"] < 2
    made = generator.measure(cfg, QUIET)
    assert made["ratio"] > 0
    for row in (*whole["rows"], *made["rows"]):
        assert min(row[way]["median"] for way in ("published", "same", "ours")) > 0
        assert row["share_of_limit"] > 0
    assert detection.measure(cfg, QUIET)["ratio"] > 1
    assert torch.get_num_threads() == threads
