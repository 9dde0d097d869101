"""The demo set: lips that belong to the sound, splits that share no word, one face a frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.demo import render, render_demo
from preprocess.demo.articulation import articulate
from preprocess.demo.eyelids import close_lids
from preprocess.demo.mouth import Lips, Mouth
from preprocess.demo.recordings import SPEECH, recordings
from preprocess.demo.scene import SIZE
from preprocess.demo.speakers import SPEAKERS, painted
from w2l.audio.waveform import load_audio
from w2l.faces import CenterFace
from w2l.files import sha256
from w2l.video import VideoReader, probe

BY_NAME = {(recording.speaker, recording.clip): recording for recording in recordings()}
PICKED = (BY_NAME["s1", "train1"], BY_NAME["n2", "test1"])


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[render.DemoClip]:
    """Two clips of the set, one of them by a speaker unseen in training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "recordings", lambda: PICKED)
        return render_demo(tmp_path_factory.mktemp("demo"), workers=1)


def tone(frequency: float, start_s: float, stop_s: float, duration_s: float = 3.0) -> np.ndarray:
    time = np.arange(round(16_000 * duration_s)) / 16_000
    inside = (time >= start_s) & (time < stop_s)
    return (0.3 * np.sin(2 * np.pi * frequency * time) * inside).astype(np.float32)


# The set


def test_training_and_held_out_clips_share_no_word() -> None:
    said = {"train": set(), "held out": set()}
    for recording in recordings():
        said["train" if recording.split == "train" else "held out"] |= set(recording.words)
    lists = {
        name: set((SPEECH / f"words_{name}.txt").read_text().split())
        for name in ("train", "heldout")
    }
    assert not lists["train"] & lists["heldout"]
    assert said["train"] <= lists["train"]
    assert said["held out"] <= lists["heldout"]
    assert len(said["train"]) > 100
    assert len(said["held out"]) > 60


def test_the_splits_have_the_promised_sizes_and_two_speakers_are_unseen() -> None:
    splits = [recording.split for recording in recordings()]
    assert {split: splits.count(split) for split in set(splits)} == {
        "train": 48, "val": 6, "test": 12,
    }  # fmt: skip
    trained = {recording.speaker for recording in recordings() if recording.split == "train"}
    tested = [recording.speaker for recording in recordings() if recording.split == "test"]
    assert set(tested) - trained == {"n1", "n2"}
    assert set(SPEAKERS) == trained | set(tested)


def test_each_recording_is_there_lasts_four_seconds_and_the_folder_is_small() -> None:
    assert {recording.path for recording in recordings()} == set(SPEECH.glob("*.opus"))
    assert sum(file.stat().st_size for file in SPEECH.iterdir()) < 2_500_000
    for recording in recordings()[::13]:
        waveform = load_audio(recording.path)
        assert len(waveform) == 64_000
        assert 0.4 < np.abs(waveform).max() < 0.9


def test_the_readme_names_sources_and_licences() -> None:
    text = (SPEECH.parent / "README.md").read_text(encoding="utf-8")
    for word in ("NASA", "public domain", "espeak-ng", "Apache-2.0"):
        assert word in text


# From sound to lips


def test_silence_keeps_the_mouth_closed_and_a_low_hum_does_too() -> None:
    assert not articulate(np.zeros(32_000, np.float32), 50).opening.any()
    spoken = tone(800, 0.0, 1.0)
    hummed = articulate(spoken + tone(120, 2.0, 3.0), 75).opening
    assert hummed[5:20].min() > 0.9
    assert hummed[55:70].max() < 0.05


def test_the_mouth_opens_and_closes_with_the_sound_without_delay() -> None:
    opening = articulate(tone(800, 1.0, 2.0), 75).opening
    # Frame i is on the screen from i / 25 to (i + 1) / 25; the middle of the sound is 1.5 s.
    middle = np.average(np.arange(75) + 0.5, weights=opening) / 25
    assert abs(middle - 1.5) < 0.01
    assert opening[:22].max() < 0.05
    assert opening[26:49].min() > 0.9
    assert opening[53:].max() < 0.05


def test_rounded_sounds_round_and_spread_sounds_spread_the_mouth() -> None:
    width = articulate(tone(500, 0.0, 1.5) + tone(2200, 1.5, 3.0), 75).width
    assert width[5:33].max() < -0.3
    assert width[42:70].min() > 0.3


# From lips to images


@pytest.fixture(scope="module")
def canvas() -> np.ndarray:
    return painted(SPEAKERS["s1"])


def dark_share(image: np.ndarray) -> float:
    """Share of a skin-coloured image that is much darker than skin."""
    grey = image[..., :3].max(axis=2).astype(float)
    return float((grey < 0.45 * np.percentile(grey, 80)).mean())


def test_the_mouth_opens_step_by_step_and_closes(canvas: np.ndarray) -> None:
    mouth = Mouth(canvas, Lips(11.0, 0.95, 0.5))
    inner = np.s_[20:90, 40:120]  # lips and chin
    dark = [dark_share(mouth.shape(opening, 0.0)[inner]) for opening in np.linspace(0, 1, 6)]
    assert dark[0] < 0.02
    # Teeth come into sight first, the dark behind them later.
    assert np.all(np.diff(dark[1:]) > 0)
    assert dark[-1] > 0.06


@pytest.mark.parametrize("opening", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("width", [-1.0, 0.0, 1.0])
def test_the_moved_region_has_no_seam(canvas: np.ndarray, opening: float, width: float) -> None:
    mouth = Mouth(canvas, Lips(11.0, 0.85, 3.0))
    before = canvas[mouth.region].astype(int)
    after = mouth.shape(opening, width).astype(int)
    assert np.abs(after - before).max() > 40
    edge = np.ones(before.shape[:2], bool)
    edge[1:-1, 1:-1] = False
    assert np.abs(after - before)[edge].max() <= 2


def test_lids_cover_the_eyes_and_nothing_else(canvas: np.ndarray) -> None:
    for region, lids in close_lids(canvas, 1.0):
        eye = canvas[region]
        pupil = eye[..., :3].min(axis=2).argmin()
        assert lids.reshape(-1, 4)[pupil, :3].mean() > 2 * eye.reshape(-1, 4)[pupil, :3].mean()
    for region, lids in close_lids(canvas, 0.0):
        # What is left is the interpolation; lids that are open look as photographed.
        assert np.abs(lids.astype(int) - canvas[region]).mean() < 3


# Videos


def test_clips_are_as_described(rendered: list[render.DemoClip]) -> None:
    assert [(clip.speaker, clip.clip, clip.split) for clip in rendered] == [
        ("s1", "train1", "train"),
        ("n2", "test1", "test"),
    ]
    for clip in rendered:
        assert clip.path.parts[-2:] == (clip.speaker, f"{clip.clip}.mp4")
        info = probe(clip.path)
        assert (info.width, info.height, info.fps, info.codec) == (SIZE, SIZE, 25, "h264")
        assert len(list(VideoReader(clip.path))) == render.N_FRAMES
        assert len(load_audio(clip.path, origin="video")) == 64_000


def test_lips_and_sound_belong_together_and_there_is_one_face(
    rendered: list[render.DemoClip],
) -> None:
    detector = CenterFace()
    for clip in rendered:
        frames = list(VideoReader(clip.path))
        keys = np.arange(0, len(frames), 9)
        faces = detector.detect([frames[i] for i in keys])
        assert [len(found.boxes) for found in faces] == [1] * len(keys)
        opening = [
            dark_share(frame[y - 12 : y + 22, x - 20 : x + 20])
            for frame, (x, y) in zip(frames, _mouths(faces, keys, len(frames)), strict=True)
        ]
        correlation = _correlations(np.array(opening), load_audio(clip.path, origin="video"))
        assert max(correlation, key=lambda lag: correlation[lag]) == 0
        assert correlation[0] > 0.8
        assert max(correlation[-3], correlation[3]) < 0.5


def _mouths(faces: list, keys: np.ndarray, n: int) -> np.ndarray:
    """Centre of the mouth in each frame, (n, 2) int."""
    centres = np.stack([found.landmarks[0, 3:].mean(axis=0) for found in faces])
    return np.stack([np.interp(np.arange(n), keys, axis) for axis in centres.T], 1).astype(int)


def _correlations(opening: np.ndarray, waveform: np.ndarray) -> dict[int, float]:
    """Of the opening with the loudness of the sound that is `lag` frames older than it."""
    loudness = np.sqrt((waveform.reshape(len(opening), -1) ** 2).mean(axis=1))
    loudness = np.convolve(np.pad(loudness, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    inner = np.arange(10, len(opening) - 10)
    return {
        lag: float(np.corrcoef(opening[inner], loudness[inner - lag])[0, 1]) for lag in range(-8, 9)
    }


def test_a_seed_gives_the_same_video_and_another_seed_another(
    rendered: list[render.DemoClip], tmp_path: Path
) -> None:
    again, other = tmp_path / "again.mp4", tmp_path / "other.mp4"
    render.render_clip(again, PICKED[1], seed=0)
    render.render_clip(other, PICKED[1], seed=1)
    assert sha256(again) == sha256(rendered[1].path)
    first, second = (next(iter(VideoReader(path))) for path in (again, other))
    assert cv2.absdiff(first, second).mean() > 5


def test_only_missing_clips_are_rendered_and_a_new_seed_replaces_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int]] = []

    def stand_in(path: Path, recording: object, *, seed: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video")
        done.append((f"{path.parent.name}/{path.stem}", seed))

    monkeypatch.setattr(render, "render_clip", stand_in)
    clips = render_demo(tmp_path, workers=1)
    assert len(done) == len(clips) == len(recordings())
    clips[3].path.unlink()
    done.clear()
    assert render_demo(tmp_path, workers=1) == clips
    assert done == [(f"{clips[3].speaker}/{clips[3].clip}", 0)]
    done.clear()
    render_demo(tmp_path, seed=1, workers=1)
    assert [seed for _, seed in done] == [1] * len(clips)
