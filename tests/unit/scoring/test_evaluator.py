"""The two protocols on small made-up videos whose brightness follows their sound."""

from __future__ import annotations

import wave
import weakref
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.scoring.stand_ins import LoudnessSyncNet, OpenExpert, brightness
from w2l.audio.mel import mfcc
from w2l.audio.waveform import to_int16
from w2l.components import Faces
from w2l.errors import UserError
from w2l.faces.fixed import FixedBox
from w2l.paths import shown_path
from w2l.scoring import Evaluator, Protocol, SyncScorer, evaluate
from w2l.scoring import evaluator as module
from w2l.scoring.crops import face_crop
from w2l.video import AudioTrack, VideoWriter

BOX = (40, 80, 50, 90)  # top, bottom, left, right of a 160×120 image
N = 60
# Whole images flicker with the sound here, which looks like cuts.
SMALL = {"min_face_size": 20.0, "min_track_frames": 24, "shots": False}


class FacesAt:
    """A face at `boxes[k]` (left, top, right, bottom) in the frames of `spans[k]`."""

    def __init__(self, *spans: range, boxes=((50, 40, 90, 80), (10, 10, 45, 45))) -> None:
        self.spans, self.boxes = spans, boxes

    def at(self, index: int) -> Faces:
        pairs = zip(self.spans, self.boxes, strict=False)
        return Faces.of(np.array([box for span, box in pairs if index in span], np.float32))

    def detect(self, frames):
        raise AssertionError(f"asked for {len(frames)} frames in place of a frame number")


def loudness(seed: int, frames: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level = np.repeat(0.001 * 300 ** rng.uniform(0, 1, frames), 640)
    return (rng.uniform(-1, 1, len(level)) * level).astype(np.float32)


def write_wav(path: Path, waveform: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(to_int16(waveform).tobytes())
    return path


def write_video(path: Path, waveform: np.ndarray, shown: np.ndarray, fps: int = 25) -> Path:
    """A video with `waveform` as its sound, as bright as `shown` is loud."""
    energy = mfcc(np.append(shown, np.zeros(640, np.float32)))[0]
    n = len(shown) // 640
    grey = brightness(torch.from_numpy(energy[: 4 * n].reshape(-1, 4).mean(1))).byte()
    sound = AudioTrack(write_wav(path.with_suffix(".wav"), waveform))
    with VideoWriter(path, Fraction(fps), (160, 120), sound, codec="ffv1") as writer:
        for value in grey.repeat_interleave(fps // 25).tolist():
            writer.write(np.full((120, 160, 3), value, np.uint8))
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    sound = loudness(0)
    early = np.roll(sound, -640 * 4)
    return {
        "synced": write_video(folder / "synced.mkv", sound, sound),
        "early": write_video(folder / "early.mkv", early, sound),
        "fast": write_video(folder / "fast.mkv", sound, sound, fps=50),
        "short": write_video(folder / "short.mkv", sound[: 5 * 640], sound[: 5 * 640]),
        "sound ends": write_video(folder / "ends.mkv", sound[: 30 * 640], sound),
        "voice": write_wav(folder / "voice.wav", np.roll(sound, 640 * 2)),
    }


def score(video: Path, detector=None, audio=None, expert=None, syncnet=True, **protocol):
    detector = detector or FixedBox(BOX)
    scorer = SyncScorer(LoudnessSyncNet() if syncnet else None, expert)
    return Evaluator(scorer, Protocol(**{**SMALL, **protocol}), detector).score(video, audio)


@pytest.mark.parametrize("protocol", ["lrs", "track"])
def test_offset_of_early_sound(videos, protocol):
    for name, offset in {"synced": 0, "early": 4}.items():
        (track,) = score(videos[name], name=protocol).tracks
        assert track.sync.lse.offset == offset
        assert track.sync.n_windows == N - 5
        assert (track.start_frame, track.n_frames) == (0, N)


def test_another_sound(videos):
    (track,) = score(videos["synced"], audio=videos["voice"], name="lrs").tracks
    assert track.sync.lse.offset == -2


@pytest.mark.parametrize("protocol", ["lrs", "track"])
def test_silence_is_not_scored(videos, tmp_path, protocol):
    silence = write_wav(tmp_path / "a.wav", np.zeros(N * 640, np.float32))
    with pytest.raises(UserError, match="The sound is silent"):
        score(videos["synced"], audio=silence, name=protocol)


def test_a_face_whose_sound_is_silent_is_left_out(videos, tmp_path):
    half = loudness(0)
    half[: 30 * 640] = 0
    detector = FacesAt(range(28), range(32, N))
    clip = score(videos["synced"], detector, write_wav(tmp_path / "a.wav", half))
    assert [track.start_frame for track in clip.tracks] == [32]
    assert [(skipped.start_frame, "silent" in skipped.error) for skipped in clip.skipped] == [
        (0, True)
    ]


def test_a_track_is_scored_against_its_own_stretch_of_sound(videos):
    (track,) = score(videos["early"], FacesAt(range(17, 57))).tracks
    assert (track.start_frame, track.n_frames) == (17, 40)
    assert track.sync.n_windows == 35
    assert track.sync.lse.offset == 4


def test_each_face_is_a_track(videos):
    clip = score(videos["synced"], FacesAt(range(0, 40), range(20, 60)), expert=OpenExpert())
    assert [(track.start_frame, track.n_frames) for track in clip.tracks] == [(0, 40), (20, 40)]
    assert [track.cosine.summary.count for track in clip.tracks] == [36, 36]


def test_each_stage_shows_its_frames(videos):
    seen = []

    def progress(frames, stage, total):
        n = 0
        for n, frame in enumerate(frames, 1):  # noqa: B007
            yield frame
        seen.append((stage, total, n))

    scorer = SyncScorer(LoudnessSyncNet(), OpenExpert())
    evaluator = Evaluator(scorer, Protocol(**SMALL), FacesAt(range(40)))
    evaluator.progress = progress
    shown = evaluator.score(videos["synced"])
    assert (
        shown.to_dict()
        == score(videos["synced"], FacesAt(range(40)), expert=OpenExpert()).to_dict()
    )
    assert seen == [("finding faces", N, N), ("SyncNet", 40, 40), ("judging", 40, 40)]


def test_tracks_that_do_not_count(videos):
    with pytest.raises(UserError, match="min_track_frames or min_face_size"):
        score(videos["synced"], FacesAt(range(0, 24)))
    with pytest.raises(UserError, match="over 41 px"):
        score(videos["synced"], min_face_size=41.0)
    with pytest.raises(UserError, match="no face in any frame"):
        score(videos["synced"], FacesAt())


def test_a_face_after_the_sounds_end_is_skipped_and_noted(videos):
    clip = score(videos["sound ends"], FacesAt(range(0, 28), range(32, 60)))
    assert [track.start_frame for track in clip.tracks] == [0]
    assert [(skipped.start_frame, skipped.n_frames) for skipped in clip.skipped] == [(32, 28)]
    assert "Too short" in clip.skipped[0].error
    with pytest.raises(UserError, match="Too short"):
        score(videos["sound ends"], FacesAt(range(32, 60)))


def test_rate_is_converted_by_time_unless_published(videos):
    (track,) = score(videos["fast"], name="lrs").tracks
    assert track.n_frames == N
    assert track.sync.lse.offset == 0
    (published,) = score(videos["fast"], name="lrs", convert_rate=False).tracks
    assert published.n_frames == 2 * N
    assert published.sync.n_windows == N - 5  # half of the images, at half their speed
    assert published.sync.lse.lse_d > 2 * track.sync.lse.lse_d
    (track,) = score(videos["fast"], name="track", convert_rate=False).tracks
    assert track.n_frames == N


@pytest.mark.parametrize(("keep_offset", "origin"), [(True, "video"), (False, "audio")])
def test_origin_of_the_sound(videos, monkeypatch, keep_offset, origin):
    asked, load = [], module.load_audio

    def spy(path, **options):
        asked.append(options)
        return load(path, **options)

    monkeypatch.setattr(module, "load_audio", spy)
    score(videos["synced"], name="lrs", keep_offset=keep_offset)
    assert asked == [{"origin": origin}]


@pytest.mark.parametrize("protocol", ["lrs", "track"])
def test_jpeg_is_a_choice(videos, protocol):
    corner = FixedBox((0, 40, 0, 40))  # its crop has an edge: flat images survive JPEG unharmed
    (plain,) = score(videos["synced"], corner, name=protocol).tracks
    (dumped,) = score(videos["synced"], corner, name=protocol, jpeg=True).tracks
    assert dumped.sync.n_windows == plain.sync.n_windows
    assert dumped.sync.lse.offset == plain.sync.lse.offset == 0
    difference = abs(dumped.sync.lse.lse_d - plain.sync.lse.lse_d)
    assert 0.001 < difference < 0.2 * plain.sync.lse.lse_d


def test_expert_without_a_face_fails_only_where_nothing_else_scores(videos):
    (track,) = score(videos["synced"], FacesAt(), expert=OpenExpert(), name="lrs").tracks
    assert track.sync is not None
    assert track.cosine is None
    assert "face" in track.cosine_reason
    with pytest.raises(UserError, match="face"):
        score(videos["synced"], FacesAt(), expert=OpenExpert(), syncnet=False, name="lrs")


@pytest.mark.parametrize("protocol", ["lrs", "track"])
def test_expert_sees_the_box_of_the_face(videos, protocol):
    expert = OpenExpert()
    (track,) = score(videos["synced"], expert=expert, syncnet=False, name=protocol).tracks
    assert track.sync is None
    assert track.cosine.summary.count == N - 4
    assert torch.cat(expert.faces).std(dim=(2, 3)).max() < 1e-5  # nothing of the grey border


def test_evaluate_goes_on_after_failures(videos, tmp_path, monkeypatch):
    (tmp_path / "text.mp4").write_text("no video")
    files = [videos["synced"], tmp_path / "gone.mp4", tmp_path / "text.mp4", videos["short"]]
    evaluator = Evaluator(SyncScorer(LoudnessSyncNet()), Protocol("lrs"))
    clips = list(evaluate(evaluator, files))
    assert [clip.path for clip in clips] == [shown_path(file) for file in files]
    assert [clip.error is None for clip in clips] == [True, False, False, False]
    assert "Too short" in clips[3].error

    for kind in (RuntimeError, AttributeError, ZeroDivisionError):

        def broken(*_, kind=kind):
            raise kind("out of order")

        monkeypatch.setattr(evaluator, "score", broken)
        (clip,) = evaluate(evaluator, files[:1])
        assert clip.error == f"{kind.__name__}: out of order"


@pytest.mark.parametrize("protocol", ["lrs", "track"])
def test_detections_are_not_kept_as_they_come(videos, protocol):
    """Small arrays that outlive a frame keep its gap in the heap from being used again."""
    found: list[weakref.ref] = []
    alive: list[int] = []

    class Watched:
        def detect(self, frames):
            alive.append(sum(ref() is not None for ref in found))
            boxes = [np.array([[50, 40, 90, 80]], np.float32) for _ in frames]
            found.extend(map(weakref.ref, boxes))
            return [Faces(box, np.ones(1, np.float32)) for box in boxes]

    score(videos["synced"], Watched(), expert=OpenExpert(), name=protocol, detect_every=1)
    assert len(found) == N
    assert max(alive) <= 8  # of one batch


def test_a_detector_is_needed():
    with pytest.raises(ValueError, match="detector"):
        Evaluator(SyncScorer(LoudnessSyncNet()), Protocol("track"))
    with pytest.raises(ValueError, match="detector"):
        Evaluator(SyncScorer(expert=OpenExpert()), Protocol("lrs"))


def test_face_crop_truncates_and_clips():
    frame = np.arange(20 * 30).reshape(20, 30, 1)
    np.testing.assert_array_equal(face_crop(frame, np.array([2.9, 3.9, 7.9, 9.9])), frame[3:9, 2:7])
    np.testing.assert_array_equal(face_crop(frame, np.array([-4, -1, 40, 50.0])), frame)
    assert face_crop(frame, np.array([40.0, 0, 50, 10])) is None
    assert face_crop(frame, np.full(4, np.nan)) is None


def test_a_cut_ends_a_track(tmp_path):
    """The face stands still, but the scene changes in the middle."""
    path = tmp_path / "cut.mkv"
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 255, (2, 12, 16, 3)).repeat(10, axis=1).repeat(10, axis=2)
    sound = AudioTrack(write_wav(tmp_path / "a.wav", loudness(0)))
    with VideoWriter(path, 25, (160, 120), sound, codec="ffv1") as writer:
        for number in range(N):
            writer.write(scenes[number // 30].astype(np.uint8))
    spans = {True: [(0, 30), (30, 30)], False: [(0, N)]}
    for shots, expected in spans.items():
        tracks = score(path, shots=shots).tracks
        assert [(track.start_frame, track.n_frames) for track in tracks] == expected
        assert [len(track.thumbnails) for track in tracks] == [5] * len(tracks)
        assert tracks[0].thumbnails[0].shape[0] == 96
