"""One moment of the result: the same image as in the whole, and no more work than it needs."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from w2l.boxes import PUBLISHED_PADS
from w2l.components import Faces
from w2l.errors import UserError
from w2l.faces import BoxFile
from w2l.inference import FaceOptions, Layout, OutputOptions, SyncOptions, Voice, make_preview
from w2l.inference.finding import plan_faces
from w2l.inference.lips import Role, synced
from w2l.inference.mouths import Mouths
from w2l.inference.plan import NO_FACE
from w2l.inference.preview import NEAR, TAIL, plan_near, shown_at
from w2l.inference.source import ArraySource, images
from w2l.inference.timeline import indices, runs
from w2l.inference.voice import mel_windows
from w2l.video import Look

WIDTH, HEIGHT = 96, 80
N = 120


class Film:
    """A source of `n` images, told by their colour, that notes which of them were read."""

    fps, width, height, path, look = Fraction(25), WIDTH, HEIGHT, Path("film.mp4"), Look()

    def __init__(self, n: int = N, estimate: int | None = None) -> None:
        self.n, self.n_frames_estimate = n, estimate or n
        self.seen: list[int] = []

    def read(self, start, stop):
        for i in range(start, min(stop, self.n)):
            self.seen.append(i)
            yield np.full((HEIGHT, WIDTH, 3), i, np.uint8)


class Walker:
    """Finds a face that wanders with the image's number, and none in `away`."""

    def __init__(self, away: range = range(0)) -> None:
        self.away = away
        self.asked: list[int] = []

    def detect(self, frames):
        numbers = [int(frame[0, 0, 0]) for frame in frames]
        self.asked += numbers
        return [self._found(number) for number in numbers]

    def _found(self, number):
        if number in self.away:
            return Faces.none()
        x = 20 + 12 * np.sin(number / 7)
        return Faces.of(np.array([x, 15, x + 40, 60], np.float32))


class Mouth:
    """Stands in for a generator: a pattern that only face and window decide, whatever the batch."""

    image_size, lead_frames, at_once, pads = 96, 0, None, PUBLISHED_PADS

    def __call__(self, faces, mels):
        stripes = np.tile(np.arange(96, dtype=np.uint8)[:, None, None], (1, 96, 3))
        turned = [np.roll(stripes, int(40 + 10 * mel[0, 0]), axis=0) for mel in mels]
        return np.stack([face // 2 + s for face, s in zip(faces, turned, strict=True)])


def voice(seconds: float) -> Voice:
    n = int(seconds * 16_000)
    mel = np.random.default_rng(0).uniform(-4, 4, (80, 1 + n // 200)).astype(np.float32)
    return Voice(np.zeros(n, np.float32), mel, None)


def options(**faces) -> SyncOptions:
    return SyncOptions(faces=FaceOptions(**faces), output=OutputOptions(view="mask"))


def whole(source: Film, heard: Voice, detector, wanted: SyncOptions) -> list[np.ndarray]:
    """Each image that `sync_video` would write."""
    windows = mel_windows(source, heard, wanted)
    plan = plan_faces(source, len(windows), detector, wanted)
    layout = Layout((WIDTH, HEIGHT), wanted.output)
    shown = images(source, len(windows), wanted.extend)
    role = Role(plan, windows, Mouths())
    return [layout(each) for each in synced(shown, role, Mouth(), wanted, 16)]


@pytest.mark.parametrize("every", [1, 5, 7])
@pytest.mark.parametrize("away", [range(0), range(40, 43), range(40, 70)])
def test_it_is_the_image_of_the_whole_result(every: int, away: range) -> None:
    wanted, heard = options(detect_every=every), voice(6)  # 150 frames of 120: 30 are played back
    full = whole(Film(), heard, Walker(away), wanted)
    for index in (0, 3, 39, 41, 55, 69, 72, 100, 119, 125, 149):
        got = make_preview(Film(), heard, index / 25, Mouth(), Walker(away), wanted)
        np.testing.assert_array_equal(got.frame, full[index], f"frame {index}")
        assert got.index == index


def test_boxes_found_around_where_a_face_was_are_those_of_the_whole_search() -> None:
    class Bright:
        parts = 0

        def detect(self, frames):
            self.parts += sum(frame.shape[1] < 480 for frame in frames)
            return [Faces.of(self._box(frame)) for frame in frames]

        def _box(self, frame):
            rows, columns = np.nonzero(frame[..., 0] > 60)
            off = frame.shape[1] / 100  # what is found depends on the window
            return np.array([columns.min(), rows.min(), columns.max(), rows.max()]) + off

    frames = np.full((101, 300, 480, 3), 50, np.uint8)
    for i, frame in enumerate(frames):
        frame[60 : 120 + i // 3, 100 + i // 4 : 150 + i // 2] = 90
    source, detector, wanted = ArraySource(frames, Fraction(25)), Bright(), options()
    full = plan_faces(source, 101, detector, wanted)
    assert detector.parts == 24  # of four stretches, six frames each
    for number in (5, 40, 63, 90):
        near = plan_near(number, source, detector, wanted)
        np.testing.assert_array_equal(near.box(number), full.box(number), f"frame {number}")


def test_only_the_images_around_it_are_read_and_searched() -> None:
    source, walker = Film(), Walker()
    faces = {"detect_every": 5, "detect_whole": 1}
    make_preview(source, voice(4.8), 2.0, Mouth(), walker, options(**faces))
    assert min(source.seen) >= 50 - NEAR - 4
    assert max(source.seen) <= 50 + NEAR + 4
    assert set(walker.asked) <= {40, 45, 50, 55, 60}


@pytest.mark.parametrize("extend", ["pingpong", "loop", "freeze"])
@pytest.mark.parametrize("estimate", [N, N - 3, N + 4, 1, 3 * N])
def test_a_moment_after_the_videos_end_is_found(extend, estimate: int) -> None:
    """Also where the container is wrong about the length, which then is counted."""
    shown = [i for run in runs(2 * N + 20, N, extend) for i in indices(run)]
    for index in (0, 50, N - 1, N, N + 7, 2 * N + 10):
        image = shown_at(index, Film(N, estimate), extend)
        assert image.number == image.frame[0, 0, 0] == shown[index], index


def test_counting_decodes_the_end_only() -> None:
    source = Film()
    shown_at(N + 30, source, "loop")
    assert source.seen == [*range(N - TAIL, N), 30]


def test_a_moment_without_a_face_is_left_untouched_or_refused() -> None:
    heard, walker = voice(4), Walker(range(30, 80))
    got = make_preview(Film(), heard, 2.0, Mouth(), walker, options(detect_whole=1))
    assert got.reason == NO_FACE
    assert (got.frame == 50).all()
    with pytest.raises(UserError, match=r"No face was found in film\.mp4 from 0:01\.60"):
        make_preview(
            Film(), heard, 2.0, Mouth(), walker, options(detect_whole=1, missing_face="error")
        )
    with pytest.raises(UserError, match=r"frame 30"):
        make_preview(
            Film(), heard, 1.0, Mouth(), walker, options(detect_whole=1, missing_face="error")
        )


def test_boxes_of_a_file_are_those_of_the_moment(tmp_path: Path) -> None:
    boxes = [[10 + i % 30, 10, 60 + i % 30, 70] for i in range(N)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    detector = BoxFile(tmp_path / "boxes.json")
    wanted, heard = options(smooth=False, pads=(0, 0, 0, 0)), voice(4)
    got = make_preview(Film(), heard, 2.0, Mouth(), detector, wanted)
    np.testing.assert_array_equal(got.frame, whole(Film(), heard, detector, wanted)[50])


def test_a_moment_beyond_the_result_is_refused() -> None:
    with pytest.raises(UserError, match=r"preview=2 lies beyond the result, which lasts 2\.00 s"):
        make_preview(Film(), voice(2), 2.0, Mouth(), Walker(), options())


def test_a_tenth_of_a_second_is_the_frame_that_is_shown_then() -> None:
    """0.12 s as a float lies a little under 3/25."""
    got = make_preview(Film(), voice(2), 0.12, Mouth(), Walker(), options())
    assert got.index == 3
