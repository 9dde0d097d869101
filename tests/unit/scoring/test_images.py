"""Pairs of images: one bad pair spoils no other, and nothing is left out unsaid."""

from __future__ import annotations

import io
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.settings import settings_of
from tests.unit.metrics.test_fid import Means
from tests.unit.preprocess.clips import write_video
from tests.writing import write_wav
from w2l.building import Component, choices, named_group
from w2l.cli.evaluate_images import NETWORKS, Comparison, chosen
from w2l.cli.keys.evaluate import Evaluate
from w2l.components import Faces
from w2l.errors import UserError
from w2l.faces.fixed import FixedBox
from w2l.models import Lpips
from w2l.scoring import image_metrics as module
from w2l.scoring.image_set import compare_pairs
from w2l.scoring.images import ImageScorer
from w2l.video import VideoReader

BOX = FixedBox((20, 140, 20, 140))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """20 frames without sound."""
    path = tmp_path_factory.mktemp("clips") / "mute.mp4"
    return write_video(path, face_frames=[True] * 20, seconds_of_sound=None)


class Thirds(Means):
    """Of crops, whose 224 rows are no multiple of three."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images[:, :, :222])


def metric(name: str) -> dict[str, Any]:
    """As `metrics=` says it."""
    return named_group("metrics", name)


def scorer(*names: str, audio: Path | None = None, **given: Any) -> ImageScorer:
    """Some of the group's metrics, given what the run knows."""
    built = {name: Component.of(metric(name)[name]).build(**given) for name in names}
    return ImageScorer(given.get("detector", BOX), built, audio)


def test_without_sound_only_the_silence_is_missing(clip, tmp_path):
    got = scorer("psnr", "silence", "flicker").score(clip, clip)
    assert np.isnan(got["silence"])
    assert np.isfinite([got["psnr"], got["flicker"]]).all()
    tone = 0.5 * np.sin(np.arange(16000) / 5) * (np.arange(16000) < 6400)
    write_wav(tmp_path / "said.wav", tone)
    said = scorer("silence", audio=tmp_path / "said.wav").score(clip, clip)
    assert said["silence"] > 0


def test_lpips_is_given_images_where_its_network_is(clip):
    class Elsewhere(Lpips):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.weight = torch.nn.Parameter(torch.zeros(1, device="meta"))

        def forward(self, generated: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            assert generated.device == target.device == self.weight.device
            return torch.tensor(0.25)

    assert scorer("lpips", lpips=Elsewhere()).score(clip, clip)["lpips"] == 0.25


def test_a_pair_that_breaks_leaves_nothing_in_the_frechet_distance(clip, tmp_path, monkeypatch):
    good = tmp_path / "good.mp4"
    write_video(good, face_frames=[True] * 20, seconds_of_sound=None, sway=3)
    alone = scorer("psnr", "fid", inception=Thirds(), n_pairs=2)
    alone.score(good, clip)
    psnr, calls = module.measures.psnr, []

    def breaks(*crops):
        calls.append(1)
        if len(calls) == 15:
            raise RuntimeError("out of memory")
        return psnr(*crops)

    monkeypatch.setattr(module.measures, "psnr", breaks)
    both = scorer("psnr", "fid", inception=Thirds(), n_pairs=2)
    broken, whole = compare_pairs(both, [(clip, clip), (good, clip)])
    assert broken["error"] == "RuntimeError: out of memory"
    assert 0 < whole["psnr"] < 60
    mine, others = both.metrics["fid"].frechet, alone.metrics["fid"].frechet
    assert (mine.n_generated, mine.n_real) == (4, 4)
    assert mine.distance() == others.distance() > 0
    assert len(calls) > 15


def test_detections_are_not_kept_as_they_come(clip):
    """Small arrays that outlive a frame keep its gap in the heap from being used again."""

    class Watched:
        def __init__(self) -> None:
            self.found: list[weakref.ref] = []
            self.alive: list[int] = []

        def detect(self, frames):
            self.alive.append(sum(ref() is not None for ref in self.found))
            boxes = [np.array([[20, 20, 140, 140]], np.float32) for _ in frames]
            self.found += map(weakref.ref, boxes)
            return [Faces(box, np.ones(1, np.float32), None) for box in boxes]

    detector = Watched()
    scorer("psnr", detector=detector).score(clip, clip)
    assert len(detector.found) == 20
    assert max(detector.alive) <= 8  # of one batch


def test_a_mean_over_fewer_clips_says_so(clip, tmp_path):
    small = tmp_path / "small.mp4"
    write_video(small, face_frames=[True] * 20, seconds_of_sound=0.8)
    compared = scorer("psnr", "flicker")
    score = compared.score
    compared.score = lambda *pair: score(*pair) | ({"psnr": np.nan} if pair[0] == clip else {})
    console = Console(width=120, record=True, file=io.StringIO())
    pairs = [(clip, clip), (small, clip), (clip, tmp_path / "gone.mp4")]
    got = Comparison(pairs, compared, {}).run(console)
    assert (got["n_scored"], got["n_failed"]) == (2, 1)
    assert got["count"] == {"psnr": 1, "flicker": 2}
    assert got["mean"]["psnr"] == got["clips"][1]["psnr"]
    shown = console.export_text()
    assert shown.count("of 1 clips") == 1
    assert "of 2 clips" not in shown


def test_one_metric_needs_no_brackets():
    settings = settings_of(Evaluate, video="x.mp4", metrics=metric("psnr"))
    assert [*chosen(settings)] == ["psnr"]


class Watched:
    """Of a network that compares faces: what it was given."""

    def __init__(self) -> None:
        self.frames: list[tuple[np.ndarray, np.ndarray]] = []
        self.where: list[Any] = []

    def cosine(self, frames: list[np.ndarray], points: list[np.ndarray]) -> float:
        self.frames.append((frames[0], frames[1]))
        self.where.append(points)
        return len(self.frames) / 10

    def __call__(self, frames: list[np.ndarray], box: np.ndarray) -> np.ndarray:
        self.frames.append((frames[0], frames[1]))
        self.where.append(box)
        points = np.zeros((2, 68, 2))
        points[:, 45] = 10
        points[0, 48:] = len(self.frames)
        return points


class Points:
    """A detector of one face; in some frames it has no points."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, frames: list[np.ndarray]) -> list[Faces]:
        self.calls += len(frames)
        box, score = np.array([[20, 20, 140, 140]], np.float32), np.ones(1, np.float32)
        found = [Faces(box, score, np.full((1, 5, 2), i, np.float32)) for i, _ in enumerate(frames)]
        # Of the pairs that are asked for after the boxes, the second has no face in its reference.
        return [found[0], Faces.none()] if len(frames) == 2 and self.calls == 24 else found


def test_identity_is_the_mean_over_every_fifth_frame_that_has_points(clip):
    watched, detector = Watched(), Points()
    compared = scorer("identity", detector=detector, identity=watched)
    got = compared.score(clip, clip)
    assert detector.calls == 20 + 2 * 4  # boxes, then frames 0, 5, 10, 15 of both
    assert len(watched.frames) == 3
    assert got["identity"] == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    frames = list(VideoReader(clip, fps=25))
    for (mine, theirs), number in zip(watched.frames, (0, 10, 15), strict=True):
        assert np.array_equal(mine, frames[number])
        assert np.array_equal(theirs, frames[number])
    assert [float(each[0, 0]) for each in watched.where[0]] == [0, 1]  # mine, then theirs


def test_lmd_is_the_mean_over_all_frames_in_the_references_box(clip):
    watched = Watched()
    got = scorer("lmd", landmarks=watched).score(clip, clip)
    assert len(watched.frames) == 20
    assert {tuple(box) for box in watched.where} == {(20, 20, 140, 140)}
    assert got["lmd"] == pytest.approx(np.mean(np.arange(1, 21) * 2**0.5 / (10 * 2**0.5)))


def test_networks_that_are_given_are_used(tmp_path):
    settings = settings_of(
        Evaluate,
        video="x.mp4",
        setting="cross",
        identity="face.onnx",
        landmarks=named_group("landmarks", "fan.zip"),
    )
    assert [*chosen(settings)] == ["identity", "silence", "flicker"]
    assert "lmd" in chosen(replace(settings, setting="reconstruction"))
    with pytest.raises(UserError, match="metrics=lmd compares with the wanted image"):
        chosen(replace(settings, metrics=metric("lmd")))
    with pytest.raises(UserError, match=r"metrics=identity needs its weights.*identity=FILE\.onnx"):
        chosen(replace(settings, metrics=metric("identity"), identity=None))


class RedDifference:
    """One of one's own: how much redder the face is."""

    needs_target = False
    protocol = "mean difference of red, in levels"

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def reset(self) -> None:
        self.found: list[float] = []

    def update(self, pair: Any) -> None:
        mine, theirs = (crop[..., 2].mean() for crop in pair.crops)
        self.found.append(self.scale * float(mine - theirs))

    def compute(self) -> float:
        return max(self.found)


def test_a_metric_of_ones_own_is_built_scored_and_told_of(clip):
    own = {"red": {"_target_": f"{__name__}.RedDifference", "scale": 2.0}}
    settings = settings_of(Evaluate, video="x.mp4", setting="cross", metrics=own)
    built = {name: each.build() for name, each in chosen(settings).items()}
    compared = ImageScorer(BOX, built)
    assert compared.score(clip, clip) == {"n_frames": 20, "red": 0.0}
    assert compared.protocol.endswith(" red: mean difference of red, in levels.")
    wrong = {"red": {**own["red"], "scle": 1}}
    with pytest.raises(UserError, match=r"unexpected keyword argument 'scle'; its signature is"):
        chosen(replace(settings, metrics=wrong))


def test_every_metric_is_chosen_by_its_name():
    every = named_group("metrics", "all")["defaults"]
    assert {*every, "all"} == set(choices("metrics"))
    for name in every:
        Component.of(metric(name)[name]).check(*NETWORKS)


def test_each_pair_begins_anew(clip, tmp_path):
    other = write_video(
        tmp_path / "other.mp4", face_frames=[True] * 20, seconds_of_sound=None, sway=3
    )
    names = ("psnr", "flicker", "silence")
    alone = scorer(*names).score(clip, clip)
    both = scorer(*names)
    assert both.score(other, clip)["psnr"] < alone["psnr"]
    assert both.score(clip, clip) == pytest.approx(alone, nan_ok=True)


def test_landmarks_are_looked_for_once_for_two_metrics(clip):
    watched = Watched()
    scorer("lmd", "face_lmd", landmarks=watched).score(clip, clip)
    assert len(watched.frames) == 20
