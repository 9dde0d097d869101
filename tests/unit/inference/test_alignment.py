"""Generated lips stay with the sound, whatever the rate of the video and of who reads it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from tests.unit.video.made import constant, write_video
from tests.writing import write_wav
from w2l.inference import (
    FaceGenerator,
    Geometry,
    OutputOptions,
    SyncOptions,
    VideoSource,
    load_voice,
    sync_video,
)
from w2l.video import VideoReader

RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60", "variable"]
BURSTS_S = np.arange(0.3, 2.8, 0.353)
BOX = np.array([10, 8, 70, 78])


class Ear(nn.Module):
    """Stands in for a generator: a face is white where its mel window has any sound."""

    def __init__(self) -> None:
        super().__init__()
        self.config = {"image_size": 48, "lead_frames": 0}

    def forward(self, audio: Tensor, face: Tensor) -> Tensor:
        heard = (audio.amax((1, 2, 3)) > -3).float()
        return heard.view(-1, 1, 1, 1).expand(-1, 3, 48, 48)

    def lower_half(self) -> Ear:
        return self


def frame_times(rate: str) -> list[Fraction]:
    if rate != "variable":
        return constant(int(3 * Fraction(rate)), Fraction(rate))
    steps = np.random.default_rng(0).integers(20, 60, 80)  # of a millisecond: 25 a second
    times = [Fraction(int(time), 1000) for time in np.cumsum(steps) - steps[0]]
    return [time for time in times if time < 3]


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    samples = np.zeros(3 * 16000, np.float32)
    for burst in BURSTS_S:
        samples[round(burst * 16000) :][:80] = 0.5
    path = tmp_path / "voice.wav"
    write_wav(path, samples)
    return path


@pytest.mark.parametrize("rate", RATES)
def test_lips_come_with_the_sound(rate: str, voice: Path, tmp_path: Path) -> None:
    times = frame_times(rate)
    video = write_video(
        tmp_path / "in.mp4",
        [np.full((88, 80, 3), 40, np.uint8)] * len(times),
        times,
        rate=Fraction(25 if rate == "variable" else rate),
    )
    out = tmp_path / "out.mkv"
    options = SyncOptions(box=BOX, quality="fast", batch_size=4, output=OutputOptions(codec="ffv1"))
    generator = FaceGenerator(Ear(), device="cpu")
    sync_video(VideoSource(video, Geometry()), load_voice(voice), out, generator, None, options)

    for fps in (None, 25):  # as they are, and as training and the scores take them
        reader = VideoReader(out, fps=fps)
        white = [k for k, image in enumerate(reader) if image[55:65, 30:50].mean() > 200]
        seen_s = np.array(white) / float(reader.fps)
        middles = [m.mean() for m in np.split(seen_s, np.flatnonzero(np.diff(seen_s) > 0.06) + 1)]
        assert len(middles) == len(BURSTS_S)
        late = np.mean(middles - BURSTS_S)
        # Of the 16 columns of 12.5 ms that a frame hears the first is on average half a column
        # before it, so that their middle is 7 columns after it.
        assert late == pytest.approx(-0.0875, abs=0.007)
