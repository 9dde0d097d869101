"""Faces looked for around where they are: as well as in whole frames, in fewer pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from w2l import boxes as box_ops
from w2l.components import Faces
from w2l.faces import FixedBox
from w2l.faces.search import detect_video

HEIGHT, WIDTH = 400, 600
Box = tuple[float, float, float, float]
Script = Callable[[int], Sequence[Box]]


class Bright:
    """Finds bright rectangles, in whole frames and in parts of them; notes what it was shown."""

    def __init__(self, blind_below: int = 0) -> None:
        self.blind_below = blind_below  # sees nothing in parts that are narrower than this
        self.shown: list[tuple[int, ...]] = []

    @property
    def n_whole(self) -> int:
        return self.shown.count((HEIGHT, WIDTH))

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        self.shown += [frame.shape[:2] for frame in frames]
        return [self._find(frame) for frame in frames]

    def _find(self, frame: np.ndarray) -> Faces:
        if frame.shape[1] < self.blind_below:
            return Faces.none()
        found = cv2.connectedComponentsWithStats((frame[..., 0] > 60).astype(np.uint8))[2][1:]
        x, y, width, height = found[:, :4].T
        boxes = np.stack([x, y, x + width, y + height], axis=1).reshape(-1, 4)
        points = boxes.reshape(-1, 2, 2).mean(axis=1)[:, None].repeat(5, axis=1)
        return Faces(boxes.astype(np.float32), np.ones(len(boxes), np.float32), points)


def video(script: Script, n: int, dark: Sequence[int] = ()) -> Iterator[np.ndarray]:
    for number in range(n):
        frame = np.full((HEIGHT, WIDTH, 3), 0 if number in dark else 50, np.uint8)
        for left, top, right, bottom in script(number):
            frame[round(top) : round(bottom), round(left) : round(right)] = 90
        yield frame


def search(script: Script, n: int = 76, whole: int = 5, **given) -> tuple[list[Faces], Bright]:
    detector = given.pop("detector", None) or Bright()
    faces = list(
        detect_video(video(script, n, given.pop("dark", ())), detector, whole=whole, **given)
    )
    return faces, detector


def one(number: int) -> list[Box]:
    """A face that moves by half of its width and back."""
    x = 200 + 25 * np.sin(number / 16)
    return [(x, 100, x + 100, 220)]


def worst(faces: Sequence[Faces], script: Script) -> float:
    """The least overlap of any face with where it is."""
    overlap = [
        box_ops.iou(np.array(script(i)), found.boxes).max(axis=1) for i, found in enumerate(faces)
    ]
    return float(np.concatenate(overlap).min())


def test_few_frames_are_searched_whole_and_faces_lie_where_they_are() -> None:
    faces, detector = search(one)
    assert detector.n_whole == 4  # 0, 25, 50, 75
    parts = [h * w for h, w in detector.shown if (h, w) != (HEIGHT, WIDTH)]
    assert sum(parts) < 0.15 * 15 * HEIGHT * WIDTH
    assert [len(found.boxes) for found in faces] == [1] * 76
    assert worst(faces, one) > 0.9
    points = np.stack([found.landmarks[0, 0] for found in faces if found.landmarks is not None])
    middle = np.stack([found.boxes[0].reshape(2, 2).mean(axis=0) for found in faces])
    assert np.abs(points - middle).max() < 0.01


def two(number: int) -> list[Box]:
    return [*one(number), (400, 150, 470, 240)]


def late(number: int) -> list[Box]:
    return two(number) if number >= 57 else one(number)


def jumps(number: int) -> list[Box]:
    return one(number) if number < 57 else [(10, 250, 110, 370)]


def turns_away(number: int) -> list[Box]:
    """For less than a stretch between two frames that are searched whole."""
    return [] if 58 <= number < 66 else one(number)


@pytest.mark.parametrize("script", [two, late, jumps, turns_away])
def test_the_same_faces_are_found_as_in_whole_frames(script: Script) -> None:
    faces, _ = search(script)
    expected, _ = search(script, whole=1)
    assert [len(found.boxes) for found in faces] == [len(found.boxes) for found in expected]
    for number, found in enumerate(faces):
        assert len(found.boxes) == len(script(number)), number
        if len(found.boxes):
            assert worst([found], lambda _, at=number: script(at)) > 0.9, number


@pytest.mark.parametrize("broken", [{"shots": [0, 57]}, {"dark": range(56, 59)}])
def test_across_a_cut_nobody_is_followed(broken: dict) -> None:
    _, detector = search(one, **broken)
    assert detector.n_whole == 4 + 4 + 4  # each fifth frame there, then all where it is broken


def test_who_is_not_found_in_parts_is_looked_for_in_whole_frames() -> None:
    faces, detector = search(one, detector=Bright(blind_below=WIDTH))
    expected, _ = search(one, whole=1)
    assert detector.n_whole == 16
    np.testing.assert_array_equal([f.boxes for f in faces], [f.boxes for f in expected])


def test_a_face_that_fills_the_frame_is_searched_in_whole_frames() -> None:
    def small(number: int) -> list[Box]:
        return [(20, 20, 100, 110)]

    frames = [frame[:128, :160] for frame in video(small, 51)]
    detector = Bright()
    list(detect_video(frames, detector, whole=5))
    assert set(detector.shown) == {(128, 160)}


def test_boxes_are_those_of_whole_frames_where_windows_show_them_elsewhere() -> None:

    class Biased(Bright):
        def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
            found = super().detect(frames)
            if frames[0].shape[1] == WIDTH:
                return found
            self.off = 8 - self.off
            return [faces._replace(boxes=faces.boxes + self.off) for faces in found]

        off = 0

    def grows(number: int) -> list[Box]:
        return [(200 - number / 4, 100, 300 + number / 4, 220 + number / 3)]

    faces, expected = (search(grows, detector=of)[0] for of in (Biased(), Bright()))
    for ours, theirs in zip(faces, expected, strict=True):
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=0.01)


def test_whose_box_is_given_is_shown_whole_frames() -> None:
    faces, _ = search(one, detector=FixedBox([100, 300, 200, 300]))
    assert all((found.boxes == [[200, 100, 300, 300]]).all() for found in faces)


def test_on_real_clips_nobody_is_lost(shared_media: Path) -> None:
    from w2l.faces import CenterFace
    from w2l.video import VideoReader

    path = shared_media / "special" / "two_speakers_left_audio_25fps.mp4"
    frames = list(VideoReader(path))[:51]
    near, whole = (list(detect_video(frames, CenterFace(), whole=n)) for n in (5, 1))
    assert [len(found.boxes) for found in near] == [2] * 51
    for ours, theirs in zip(near, whole, strict=True):
        assert box_ops.iou(theirs.boxes, ours.boxes).max(axis=1).min() > 0.8
