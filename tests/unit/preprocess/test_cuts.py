"""A part of a video, from one time to another, is the same part of its frames and its sound."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from preprocess.rejection import RejectedError
from preprocess.settings import Recipe
from preprocess.steps.chain import prepare_clip
from tests.unit.preprocess.clips import good, write_video
from w2l.components import Clip
from w2l.faces import CenterFace
from w2l.video import VideoReader


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """Two seconds at 25 frames/s."""
    return good(tmp_path_factory.mktemp("cut") / "a.mp4", frames=50)


def prepared(
    path: Path, folder: Path, start_s: float = 0.0, end_s: float | None = None, **recipe: object
) -> tuple[list[bytes], np.ndarray]:
    """The crops, and the sound (n,) int16."""
    clip = Clip(path.parent, path.name, "s", "c", start_s=start_s, end_s=end_s)
    # Every frame is searched, so that a frame's box does not hang on those around it.
    settings = Recipe(detect_every=1, smooth=False, **recipe)  # type: ignore[arg-type]
    record = prepare_clip(clip, folder, settings, CenterFace())
    assert (record["start_s"], record["end_s"]) == (start_s or None, end_s)
    assert record["duration_s"] == pytest.approx(record["n_frames"] / record["fps"])
    with wave.open(str(folder / "audio.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return [(folder / f"{i}.jpg").read_bytes() for i in range(record["n_frames"])], samples


@pytest.fixture(scope="module")
def whole(video, tmp_path_factory) -> tuple[list[bytes], np.ndarray]:
    return prepared(video, tmp_path_factory.mktemp("whole") / "c")


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "samples"),
    [
        (0.44, 1.44, 11, 36, slice(7040, 23040)),
        (0.45, 1.45, 11, 36, slice(7200, 23200)),  # image 11 is the one shown at 0.45 s
        (0.44, None, 11, 50, slice(7040, None)),
        (0.44, 99.0, 11, 50, slice(7040, None)),
        (0.0, 1.0, 0, 25, slice(0, 16000)),
    ],
)
def test_frames_and_sound_are_cut_at_the_same_times(
    video, whole, tmp_path, start, end, first, last, samples
):
    crops, sound = prepared(video, tmp_path / "c", start, end)
    assert crops == whole[0][first:last]
    assert np.array_equal(sound, whole[1][samples])


def test_without_a_rate_the_sound_begins_with_the_first_frame(video, whole, tmp_path):
    crops, sound = prepared(video, tmp_path / "c", 0.45, 1.45, fps=None)
    assert crops == whole[0][12:37]  # images from 0.48 s on, before 1.45 s
    assert np.array_equal(sound, whole[1][7680:23200])


def test_the_length_of_a_cut(video):
    assert VideoReader(video, 25, 0.5, 1.25).duration_s == 0.75
    assert VideoReader(video, 25, 0.5).duration_s == 1.5
    assert VideoReader(video, 25, 0.5, 9).duration_s == 1.5


def test_a_cut_after_the_end_is_rejected(video, tmp_path):
    with pytest.raises(RejectedError, match=r"lasts 2\.00 s and is over before start=2") as caught:
        prepared(video, tmp_path / "c", 2.0)
    assert (caught.value.step, caught.value.reason) == ("probe", "too short")


def test_a_cut_after_the_end_of_the_sound_is_rejected(tmp_path):
    path = write_video(tmp_path / "a.mp4", face_frames=[True] * 50, seconds_of_sound=0.5)
    with pytest.raises(RejectedError, match=r"0\.00 s of sound from 1 s on") as caught:
        prepared(path, tmp_path / "c", 1.0)
    assert caught.value.step == "sound"
