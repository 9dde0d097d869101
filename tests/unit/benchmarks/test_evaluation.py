"""The published scoring, written plainly, gives our scores where it is given our images."""

from __future__ import annotations

import io
import shutil

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from benchmarks import deviations, evaluation
from benchmarks.face_videos import write_face_videos
from benchmarks.published_scoring import published_scores
from w2l.audio.waveform import load_audio
from w2l.scoring import SyncScorer
from w2l.video import jpeg_frames


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="it runs the command ffmpeg")
def test_both_ways_give_the_same_scores(tmp_path):
    videos = write_face_videos(tmp_path / "v", clips=1, frames=9, size=(64, 64), seed=0)
    syncnet = evaluation.network(None, videos, seed=0)
    (tmp_path / "dump").mkdir()
    lse_d, lse_c, offset = published_scores(syncnet, videos[0], tmp_path / "dump")
    got = SyncScorer(syncnet).lse(jpeg_frames(videos[0]), load_audio(videos[0])).lse
    # FFmpeg's versions differ in the last bit of a pixel.
    assert got.lse_d == pytest.approx(lse_d, rel=1e-3)
    assert got.lse_c == pytest.approx(lse_c, abs=0.02)
    assert got.offset == offset


def test_departures_are_measured():
    settings = {"video": None, "frames": 9, "syncnet": None}
    cfg = OmegaConf.create({"seed": 0, "deviations": settings})
    (clip,) = deviations.measure(cfg, Console(file=io.StringIO()))["clips"].values()
    assert clip["published"]["lips"] == clip["published"]["sound"] == 0
    assert 0 < clip["no JPEG"]["lips"] < clip["RGB for BGR"]["lips"]
    assert clip["MFCC of samples in [-1, 1]"]["sound"] > 0.1
    assert "23.1 fps taken for 25" in clip  # 27 of our frames pass in 25 of it: 25 * 25 / 27
    assert clip["no padding"]["lse_d"] != clip["published"]["lse_d"]
