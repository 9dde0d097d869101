"""The steps on one clip, and what they refuse."""

from __future__ import annotations

import json
import resource
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.rejection import RejectedError
from preprocess.settings import Recipe
from preprocess.steps import chain
from preprocess.steps.crops import whole_pixels
from preprocess.steps.faces import check_faces, find_people
from preprocess.steps.sound import log_mel_in_pieces, write_sound
from tests.unit.preprocess.clips import good, portrait, write_video
from w2l.audio.mel import log_mel
from w2l.components import Clip, Faces
from w2l.faces import CenterFace


@pytest.fixture(scope="module")
def detector():
    return CenterFace()


def run(path, folder, detector, recipe=None):
    clip = Clip(path.parent, path.name, "s", "c")
    return chain.prepare_clip(clip, folder, recipe or Recipe(), detector)


def test_a_prepared_clip(tmp_path, detector):
    folder = tmp_path / "out/s/c"
    record = run(good(tmp_path / "a.mp4"), folder, detector)
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{i}.jpg" for i in range(25)} | {"audio.wav", "mel.npy", "clip.json"}
    assert record == json.loads((folder / "clip.json").read_text())
    assert (record["n_frames"], record["n_faces"], record["fps"]) == (25, 25, 25.0)
    assert record["duration_s"] == 1.0
    left, top, right, bottom = record["boxes"][7]
    assert cv2.imread(str(folder / "7.jpg")).shape == (bottom - top, right - left, 3)
    assert 60 < record["face_size"] < 140

    with wave.open(str(folder / "audio.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    assert abs(len(samples) - 16000) < 2048  # AAC's last packet is filled up
    mel = np.load(folder / "mel.npy")
    assert mel.dtype == np.float32
    assert mel.shape == (80, record["n_mel"]) == (80, 1 + len(samples) // 200)
    assert np.array_equal(mel, log_mel(samples / np.float32(32768)))


def test_crops_are_the_frames_own_pixels(tmp_path, detector):
    folder = tmp_path / "s/c"
    record = run(good(tmp_path / "a.mp4"), folder, detector)
    left, top, right, bottom = record["boxes"][0]
    expected = portrait()[top:bottom, left:right, ::-1].astype(int)
    crop = cv2.imread(str(folder / "0.jpg")).astype(int)
    assert np.abs(crop - expected).mean() < 8  # MPEG-4, chroma subsampling, JPEG


def test_frames_without_a_face_are_gaps(tmp_path, detector):
    path = write_video(tmp_path / "a.mp4", face_frames=[False] * 6 + [True] * 20 + [False] * 4)
    folder = tmp_path / "s/c"
    record = run(path, folder, detector)
    assert sorted(int(p.stem) for p in folder.glob("*.jpg")) == list(range(6, 26))
    assert [box is None for box in record["boxes"]] == [True] * 6 + [False] * 20 + [True] * 4


@pytest.mark.parametrize("fps", [30, 50])
def test_other_rates_become_25_by_time(tmp_path, detector, fps):
    path = write_video(tmp_path / "a.mp4", face_frames=[True] * fps, fps=fps)
    record = run(path, tmp_path / "s/c", detector)
    assert (record["n_frames"], record["source_fps"], record["fps"]) == (25, fps, 25.0)
    as_is = run(path, tmp_path / "s/d", detector, Recipe(fps=None))
    assert (as_is["n_frames"], as_is["fps"]) == (fps, fps)


def test_a_long_clip_is_not_kept_in_memory(tmp_path, detector, monkeypatch):
    path = good(tmp_path / "a.mp4")
    run(path, tmp_path / "s/kept", detector)
    monkeypatch.setattr(chain, "FRAME_MEMORY", 3 * 160 * 160 * 3)
    reader = chain.VideoReader(path, fps=25)
    assert chain.in_memory_if_small(reader, reader.info) is reader
    run(path, tmp_path / "s/streamed", detector)
    for kept in (tmp_path / "s/kept").iterdir():
        assert kept.read_bytes() == (tmp_path / "s/streamed" / kept.name).read_bytes()


@pytest.mark.parametrize(
    ("make", "step", "reason"),
    [
        (lambda p: p.touch(), "probe", "broken file"),
        (lambda p: p.write_text("just text\n" * 50), "probe", "broken file"),
        (lambda p: p.write_bytes(good(p).read_bytes()[:3000]), "probe", "broken file"),
        (lambda p: p.write_bytes(cv2.imencode(".png", portrait())[1].tobytes()), "probe",
         "a still image"),
        (lambda p: write_video(p, face_frames=[True] * 25, seconds_of_sound=None), "probe",
         "no sound"),
        (lambda p: write_video(p, face_frames=[True] * 25, seconds_of_sound=0.1), "sound",
         "too short"),
        (lambda p: write_video(p, face_frames=[False] * 25), "faces", "no face"),
        (lambda p: write_video(p, face_frames=[True] * 10 + [False] * 5 + [True] * 10), "faces",
         "too short"),
    ],
)  # fmt: skip
def test_rejections(tmp_path, detector, make, step, reason):
    path = tmp_path / "bad.mp4"
    make(path)
    with pytest.raises(RejectedError) as caught:
        run(path, tmp_path / "out/s/c", detector)
    assert (caught.value.step, caught.value.reason) == (step, reason)
    assert "bad.mp4" in caught.value.detail
    assert not list(tmp_path.glob("out/s/*"))


def test_too_short_counts_frames_in_a_row(tmp_path):
    present = np.array([True] * 15 + [False] + [True] * 15)
    with pytest.raises(RejectedError, match="15 of 31 frames in a row"):
        check_faces(tmp_path, present, 16)
    check_faces(tmp_path, present, 15)


class TwoPeople:
    """A small face seen throughout, and a large one from frame 10 on; at times out of order."""

    def __init__(self) -> None:
        self.frame = -1

    def detect(self, frames):
        found = []
        for _ in frames:
            self.frame += 1
            small, large = [10, 10, 30, 30], [50, 50, 150, 150]
            boxes = [small] if self.frame < 10 else [small, large][:: (-1) ** self.frame]
            found.append(Faces.of(np.array(boxes)))
        return found


def test_the_main_face_is_one_person():
    frames = [np.zeros((200, 200, 3), np.uint8)] * 30
    boxes = find_people(frames, TwoPeople(), every=1)[0].boxes
    assert np.isnan(boxes[:10]).all()
    assert (boxes[10:] == [50, 50, 150, 150]).all()
    (person,) = find_people(frames, TwoPeople(), every=1, published=True)
    published = person.boxes
    assert (published[:10] == [10, 10, 30, 30]).all()
    assert len(np.unique(published[10:], axis=0)) == 2  # the first face of each frame


def test_boxes_are_clipped_and_truncated():
    boxes = np.array([[-3.2, 5.9, 10.9, 300], [np.nan] * 4, [5.1, 5.1, 5.9, 9], [-9, 0, -1, 9]])
    whole, present = whole_pixels(boxes, height=100, width=200)
    assert whole[0].tolist() == [0, 5, 10, 100]
    assert present.tolist() == [True, False, False, False]


@pytest.mark.parametrize("length", [3200, 16000, 16199, 16600, 16601, 32000, 32601, 50123])
def test_the_mel_in_pieces_is_that_of_the_whole(length):
    samples = np.random.default_rng(length).integers(-20000, 20000, length).astype(np.int16)
    whole = log_mel(samples / np.float32(32768))
    pieces = log_mel_in_pieces(samples, piece=16000)
    assert pieces.shape == whole.shape
    np.testing.assert_allclose(pieces, whole, atol=1e-5)


def test_sound_is_stored_to_the_bit(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 16000).astype(np.int16)
    assert write_sound(samples, tmp_path) == 81
    with wave.open(str(tmp_path / "audio.wav")) as sound:
        assert np.array_equal(np.frombuffer(sound.readframes(20000), np.int16), samples)


def test_a_rejection_survives_the_way_between_processes():
    import pickle

    error = pickle.loads(pickle.dumps(RejectedError("faces", "no face", "none there")))
    assert (error.step, error.reason, error.detail) == ("faces", "no face", "none there")


class Centred:
    """A face in the middle of each frame."""

    def detect(self, frames):
        return [Faces.of(np.array([100, 100, 300, 300])) for _ in frames]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_length():
    frames = (np.full((360, 640, 3), i % 5, np.uint8) for i in range(1500))
    before = resident_bytes()
    (person,) = find_people(frames, Centred(), every=50)
    np.testing.assert_allclose(person.boxes, np.tile([100, 100, 300, 300], (1500, 1)), atol=1e-3)
    assert resident_bytes() - before < 300e6  # the frames themselves are 1000 MB
