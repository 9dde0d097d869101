"""The sync step: what the networks say is what the scorer says, and the sound moves by that."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from preprocess.rejection import RejectedError
from preprocess.settings import Recipe
from preprocess.steps.chain import prepare_clip
from preprocess.steps.faces import longest_run
from preprocess.steps.sync import (
    Sync,
    check_sync,
    find_speaker,
    find_sync,
    load_judge,
)
from tests.parity.published import state_dict
from tests.unit.preprocess.clips import good
from tests.writing import save_network
from w2l.audio.waveform import load_audio
from w2l.components import Clip, FaceDetector
from w2l.faces import CenterFace
from w2l.faces.protocol_track import ProtocolTrack, crop_track
from w2l.metrics import summarize
from w2l.models import Expert
from w2l.scoring import SyncScorer
from w2l.scoring.scorer import CosineResult
from w2l.video import VideoReader


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return CenterFace()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good(tmp_path_factory.mktemp("sync") / "a.mp4", frames=30)


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judges")
    torch.manual_seed(0)
    save_network(Expert(0.125, 64, last_relu=False), "expert", folder / "expert.ckpt")
    torch.save(state_dict("syncnet_v2"), folder / "syncnet_v2.model")
    return folder


class Certain(SyncScorer):
    """Says what it is told to."""

    def __init__(self, offset: int, confidence: float) -> None:
        super().__init__(expert=Expert(0.125))
        self.answer = offset, confidence

    def cosine(self, crops, waveform) -> CosineResult:
        assert sum(crop is not None for crop in crops)
        curve = torch.zeros(3)
        return CosineResult(curve.numpy(), summarize(curve), np.zeros(31), *self.answer)


def prepare(video: Path, folder: Path, detector: FaceDetector, judge: SyncScorer | None = None):
    clip = Clip(video.parent, video.name, "s", "c")
    return prepare_clip(clip, folder, Recipe(min_confidence=0.1), detector, judge=judge)


def sound(folder: Path) -> np.ndarray:
    with wave.open(str(folder / "audio.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def test_both_networks_are_asked_as_in_the_evaluation(video, judges, detector, tmp_path):
    record = prepare(video, tmp_path / "clip", detector)
    frames = list(VideoReader(video, fps=25))
    boxes, present = np.array(record["boxes"]), np.ones(30, bool)
    samples = sound(tmp_path / "clip")

    expert = load_judge(str(judges / "expert.ckpt"), "cpu")
    crops = [cv2.imread(str(tmp_path / "clip" / f"{i}.jpg")) for i in range(30)]
    expected = expert.cosine(crops, load_audio(tmp_path / "clip" / "audio.wav"))
    found = find_sync(expert, frames, boxes, present, samples)
    assert found.offset == expected.offset
    assert found.confidence == pytest.approx(expected.confidence, abs=0.01)  # but for the JPEG
    best = np.nanmax(expected.by_offset[1:-1])
    assert expected.confidence == pytest.approx(best - np.median(expected.by_offset), abs=0.01)

    syncnet = load_judge(str(judges / "syncnet_v2.model"), "cpu")
    present[:8] = False
    track = ProtocolTrack(np.arange(8, 30), boxes[8:].astype(float))
    lse = syncnet.lse(crop_track(frames, track), samples[8 * 640 :]).lse
    assert find_sync(syncnet, frames, boxes, present, samples) == Sync(lse.offset, lse.lse_c)


@pytest.mark.parametrize("offset", [0, 3, -4])
def test_the_sound_goes_where_it_belongs(video, detector, tmp_path, offset):
    plain, moved = tmp_path / "plain", tmp_path / "moved"
    assert prepare(video, plain, detector)["sync_offset"] is None
    record = prepare(video, moved, detector, Certain(offset, 0.5))
    assert (record["sync_offset"], record["sync_confidence"]) == (offset, 0.5)
    before, after = sound(plain), sound(moved)
    if offset > 0:  # early: later by so much, and nobody knows what was said before
        assert not after[: 640 * offset].any()
        assert np.array_equal(after[640 * offset :], before)
    else:
        assert np.array_equal(after, before[-640 * offset :])
    frames = {int(path.stem) for path in moved.glob("*.jpg")}
    assert frames == set(range(max(offset, 0), 30))
    assert [box is None for box in record["boxes"]] == [i < offset for i in range(30)]
    assert record["n_mel"] == np.load(moved / "mel.npy").shape[1] == 1 + len(after) // 200


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((2, 0.05), r"\+2 frames apart, with a confidence of 0.050"),
        ((2, float("nan")), "nan"),
        ((-15, 0.9), "-15 frames apart, the end of the search"),
    ],
)
def test_what_does_not_fit_is_rejected(video, detector, tmp_path, answer, words):
    with pytest.raises(RejectedError, match=words) as rejected:
        prepare(video, tmp_path / "c", detector, Certain(*answer))
    assert (rejected.value.step, rejected.value.reason) == ("sync", "lips and sound do not fit")
    assert not (tmp_path / "c").exists()
    check_sync(video, Sync(14, 0.1), 0.1)


class Listening(SyncScorer):
    """Is as sure of a face as its red is bright."""

    def __init__(self) -> None:
        super().__init__(expert=Expert(0.125))

    def cosine(self, crops, waveform) -> CosineResult:
        red = np.mean([crop[..., 2].mean() for crop in crops if crop is not None])
        curve = torch.zeros(3)
        return CosineResult(curve.numpy(), summarize(curve), np.zeros(31), 1, red / 255)


def test_the_speaker_is_who_fits_best():
    frame = np.zeros((60, 90, 3), np.uint8)
    for i, red in enumerate((100, 200, 250)):
        frame[:, 30 * i : 30 * i + 30, 2] = red
    boxes = [np.tile([30 * i, 0, 30 * i + 30, 60], (20, 1)) for i in range(3)]
    whole, short = np.ones(20, bool), np.arange(20) < 15
    people = [(boxes[0], whole), (boxes[1], whole), (boxes[2], short)]
    sound = np.zeros(16000, np.int16)
    speaker, found = find_speaker(Listening(), [frame] * 20, people, sound, min_frames=16)
    assert speaker == 1
    assert found == [Sync(1, pytest.approx(100 / 255)), Sync(1, pytest.approx(200 / 255)), None]
    assert find_speaker(Listening(), [frame] * 20, people[2:], sound, 16) == (0, [None])
    with pytest.raises(RejectedError, match="too little"):
        check_sync(Path("a.mp4"), None, 0.1)


def test_the_longest_run():
    present = np.array([1, 0, 1, 1, 1, 0, 1, 1, 1], bool)
    assert longest_run(present) == (2, 5)
    assert longest_run(np.zeros(4, bool)) == (0, 0)


@pytest.mark.parametrize("offset", [3, -4])
def test_a_part_hears_what_the_file_says_around_it(video, detector, tmp_path, offset):
    whole = prepare(video, tmp_path / "whole", detector)
    everything = sound(tmp_path / "whole")
    part = Clip(video.parent, video.name, "s", "c", start_s=0.2, end_s=1.0)
    recipe = Recipe(min_confidence=0.1)
    judge = Certain(offset, 0.5)
    record = prepare_clip(part, tmp_path / "part", recipe, detector, judge=judge)
    assert record["n_faces"] == 20 < whole["n_faces"], "no frame is without its sound"
    first, last = (5 - offset) * 640, (25 - offset) * 640
    assert np.array_equal(sound(tmp_path / "part"), everything[first:last])


def test_the_recipe_is_named_by_the_networks_content():
    plain, judged = Recipe(), Recipe(sync="a/last.ckpt", sync_sha256="1", min_confidence=0.1)
    assert replace(plain, min_confidence=0.3).digest == plain.digest
    assert judged.digest != plain.digest
    assert replace(judged, sync="b/other.ckpt").digest == judged.digest
    assert replace(judged, sync_sha256="2").digest != judged.digest
    assert replace(judged, min_confidence=0.2).digest != judged.digest
