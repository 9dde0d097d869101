"""Detection every few frames, tracks, and the choice of one person, with faces made up."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.waiting import FOR_EVER
from w2l.components import Faces
from w2l.errors import UserError
from w2l.faces import search
from w2l.faces.search import detect_video
from w2l.faces.track import boxes_of, first, link, select

Box = list[float]


class Scripted:
    """A detector that reads the frame's number from the frame and looks the faces up."""

    def __init__(self, script: Callable[[int], list[Box]]) -> None:
        self.script = script
        self.searched: list[int] = []
        self.calls: list[int] = []  # how many frames each had

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        self.calls.append(len(frames))
        numbers = [int(frame[1, 1, 0]) for frame in frames]
        self.searched += numbers
        return [Faces.of(np.array(self.script(n))) for n in numbers]


def video(n: int, odd: Sequence[int] = ()) -> Iterator[np.ndarray]:
    """Frames that hold their number in a pixel; the `odd` ones are white, the others gray."""
    for number in range(n):
        frame = np.full((64, 64, 3), 255 if number in odd else 100, dtype=np.uint8)
        frame[1, 1, 0] = number
        yield frame


def moving(number: int) -> list[Box]:
    return [[10.0 + number, 20, 110 + number, 140]]


def boxes(faces: Sequence[Faces]) -> list[list[Box]]:
    return [f.boxes.tolist() for f in faces]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 6, 13, 21])
def test_between_key_frames_faces_are_interpolated(n: int) -> None:
    detector = Scripted(moving)
    faces = list(detect_video(video(n), detector, every=5))
    assert boxes(faces) == [moving(i) for i in range(n)]
    assert detector.searched == sorted({*range(0, n, 5), max(n - 1, 0)} if n else [])


def test_scores_and_landmarks_are_interpolated_too() -> None:
    class Sure(Scripted):
        def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
            return [
                Faces(
                    f.boxes,
                    np.array([0.5 + n / 100], np.float32),
                    np.full((1, 5, 2), n, dtype=np.float32),
                )
                for f, n in zip(super().detect(frames), self.searched[-len(frames) :], strict=True)
            ]

    faces = list(detect_video(video(6), Sure(moving), every=5))
    for number, found in enumerate(faces):
        assert found.scores == pytest.approx(0.5 + number / 100)
        assert found.landmarks is not None
        np.testing.assert_allclose(found.landmarks, np.full((1, 5, 2), number), rtol=1e-6)


def test_faces_keep_their_identity_when_the_detector_changes_their_order() -> None:
    pair = [[0.0, 0, 50, 50], [200.0, 0, 250, 50]]
    faces = detect_video(video(11), Scripted(lambda n: pair if n % 10 == 0 else pair[::-1]))
    assert [f.boxes[0, 0] for f in faces] == [0, 0, 0, 0, 0, 200, 200, 200, 200, 200, 0]


@pytest.mark.parametrize(
    "script",
    [
        lambda n: moving(n) if n > 7 else [],  # appears
        lambda n: moving(n) if n < 7 else [],  # goes
        lambda n: [[0.0, 0, 50, 50], *([[200.0, 0, 250, 50]] if n > 7 else [])],  # a second one
        lambda n: [[0.0, 0, 50, 50]] if n < 7 else [[300.0, 0, 350, 50]],  # another place
    ],
)
def test_where_faces_do_not_match_each_frame_is_searched(
    script: Callable[[int], list[Box]],
) -> None:
    detector = Scripted(script)
    assert boxes(list(detect_video(video(16), detector, every=5))) == [script(i) for i in range(16)]
    assert sorted(detector.searched) == [0, 5, 6, 7, 8, 9, 10, 15]
    assert max(detector.calls) == 4


def test_two_faces_in_one_place_cannot_be_told_apart() -> None:
    detector = Scripted(lambda _: [[0.0, 0, 50, 50], [2.0, 0, 52, 50]])
    list(detect_video(video(11), detector, every=5))
    assert sorted(detector.searched) == list(range(11))


def test_an_odd_frame_between_equal_key_frames_is_searched() -> None:
    """A cutaway shorter than the step: both key frames show the face, what is between does not."""

    def script(n: int) -> list[Box]:
        return [] if n in (7, 8) else [[10.0, 20, 110, 140]]

    detector = Scripted(script)
    faces = list(detect_video(video(16, odd=(7, 8)), detector, every=5))
    assert boxes(faces) == [script(i) for i in range(16)]
    assert sorted(detector.searched) == [0, 5, 6, 7, 8, 9, 10, 15]


@pytest.fixture
def two_threads(set_threads: Callable[[int], None]) -> None:
    set_threads(2)


@pytest.mark.usefixtures("two_threads")
def test_key_frames_are_searched_side_by_side() -> None:
    both = threading.Barrier(
        2, timeout=FOR_EVER
    )  # passes only if two are searched at the same time

    def script(n: int) -> list[Box]:
        if n in (5, 10):
            both.wait()
        return moving(n)

    detector = Scripted(script)
    assert boxes(list(detect_video(video(31), detector, every=5))) == [moving(i) for i in range(31)]
    assert sorted(detector.searched) == [*range(0, 31, 5)]


@pytest.mark.usefixtures("two_threads")
def test_a_cut_counts_only_between_its_key_frames() -> None:
    """Though the frames after it were drawn when those before it are looked at."""
    starts = [0]

    def watched() -> Iterator[np.ndarray]:
        for number, frame in enumerate(video(31)):
            if number == 17:
                starts.append(17)
            yield frame

    detector = Scripted(moving)
    assert boxes(list(detect_video(watched(), detector, every=5, shots=starts))) == [
        moving(i) for i in range(31)
    ]
    assert sorted(detector.searched) == sorted({*range(0, 31, 5), 16, 17, 18, 19})


@pytest.mark.usefixtures("two_threads")
def test_an_error_of_the_detector_ends_the_search() -> None:
    def script(n: int) -> list[Box]:
        if n == 15:
            raise UserError("no memory")
        return moving(n)

    found = detect_video(video(61), Scripted(script), every=5)
    with pytest.raises(UserError, match="no memory"):
        list(found)


def test_every_1_searches_all_in_batches() -> None:
    detector = Scripted(moving)
    list(detect_video(video(19), detector, every=1, batch_size=8))
    assert detector.searched == list(range(19))
    assert max(detector.calls) == 8
    with pytest.raises(ValueError, match="every=0"):
        list(detect_video(video(3), detector, every=0))


@pytest.mark.parametrize("on_gpu", [False, True])
def test_key_frames_fill_batches(on_gpu: bool, set_threads: Callable[[int], None]) -> None:
    """With one thread, and on a GPU however many there are."""
    set_threads(4 if on_gpu else 1)
    detector = Scripted(moving)
    if on_gpu:
        detector.device = "cuda:1"
    faces = list(detect_video(video(91), detector, every=5, batch_size=8))
    assert boxes(faces) == [moving(i) for i in range(91)]
    assert detector.searched == [*range(0, 91, 5)]
    assert detector.calls == [1, 8, 8, 2]


def test_frames_between_key_frames_fill_batches(set_threads: Callable[[int], None]) -> None:
    """Of all stretches that must be searched: the face comes and goes."""
    set_threads(1)

    def script(n: int) -> list[Box]:
        return moving(n) if 7 < n < 21 else []

    detector = Scripted(script)
    faces = list(detect_video(video(41), detector, every=5, batch_size=8))
    assert boxes(faces) == [script(i) for i in range(41)]
    assert detector.calls == [1, 8, 8]
    assert sorted(detector.searched[9:]) == [6, 7, 8, 9, 21, 22, 23, 24]


@pytest.mark.parametrize(
    ("every", "room", "bound"), [(5, 5, 6), (5, 15, 16), (5, 1000, 41), (12, 0, 13), (1, 0, 8)]
)
def test_few_frames_are_held(
    every: int,
    room: int,
    bound: int,
    set_threads: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many stretches as there is room for, but for one."""
    set_threads(1)  # each would hold `every` frames
    monkeypatch.setattr(search, "HELD_BYTES", room * next(iter(video(1))).nbytes)
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def watched() -> Iterator[np.ndarray]:
        nonlocal alive, most
        for frame in video(60):
            weakref.finalize(frame, gone)
            alive += 1
            most = max(most, alive)
            yield frame
            del frame

    # A face that jumps, so that every frame is searched.
    detector = Scripted(lambda n: [[100.0 * n, 0, 100 * n + 50, 50]])
    assert len(list(detect_video(watched(), detector, every=every, batch_size=8))) == 60
    assert alive == 0
    assert most <= bound + 2  # the one being made, and the one that the loops above still name


def faces_of(*people: Callable[[int], Box | None], n: int) -> list[Faces]:
    """Faces of `n` frames from each person's box by frame, or None."""
    found = [[box for person in people if (box := person(i)) is not None] for i in range(n)]
    return [Faces.of(np.array(frame).reshape(-1, 4)) for frame in found]


def person(x: float, size: float, when: range, step: float = 0.0) -> Callable[[int], Box | None]:
    def box(i: int) -> Box | None:
        left = x + step * i
        return [left, 10, left + size, 10 + size] if i in when else None

    return box


def test_link_joins_by_overlap_and_each_face_once() -> None:
    faces = faces_of(
        person(0, 100, range(30), step=4), person(300, 100, range(10, 30), step=-4), n=30
    )
    tracks = link(faces)
    assert [(t.frames[0], t.frames[-1], len(t.frames)) for t in tracks] == [
        (0, 29, 30), (10, 29, 20)
    ]  # fmt: skip
    np.testing.assert_allclose(tracks[0].boxes[:, 0], 4.0 * np.arange(30))
    assert tracks[1].scores.dtype == np.float32


def test_link_gives_a_face_to_the_track_it_overlaps_most() -> None:
    faces = [
        Faces.of(np.array([[0.0, 0, 100, 100], [40, 0, 140, 100]])),
        Faces.of(np.array([[40.0, 0, 140, 100], [0, 0, 100, 100]])),
    ]
    assert [t.boxes[:, 0].tolist() for t in link(faces)] == [[0, 0], [40, 40]]


@pytest.mark.parametrize(("gap", "n_tracks"), [(25, 1), (26, 2)])
def test_link_waits_for_a_face_out_of_sight(gap: int, n_tracks: int) -> None:
    faces = faces_of(lambda i: None if 10 <= i < 10 + gap else [0, 0, 100, 100], n=20 + gap)
    assert len(link(faces)) == n_tracks
    assert link([Faces.none()] * 5) == []


def test_gaps_of_four_frames_are_filled_and_longer_ones_stay() -> None:
    gone = {*range(5, 9), *range(20, 25)}
    faces = faces_of(lambda i: None if i in gone else [i, 0, 100 + i, 100], n=30)
    (track,) = link(faces)
    found = boxes_of(track, 30)
    np.testing.assert_allclose(found[:20, 0], np.arange(20))
    assert np.isnan(found[20:25]).all()
    np.testing.assert_array_equal(select([track], "largest", 30, 640), found)


LEFT, MIDDLE, RIGHT = (person(0, 100, range(50)), person(270, 80, range(50)),
                       person(500, 120, range(50)))  # fmt: skip


@pytest.mark.parametrize(
    ("who", "x"), [("left", 0), ("center", 270), ("right", 500), ("largest", 500)]
)
def test_select_the_person_asked_for(who: str, x: float) -> None:
    tracks = link(faces_of(MIDDLE, LEFT, RIGHT, n=50))
    np.testing.assert_array_equal(select(tracks, who, 50, 640)[:, 0], np.full(50, x))


def test_select_does_not_flicker_between_faces_of_like_size() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 8, 100)
    faces = faces_of(
        lambda i: [0, 0, 100 + noise[i], 100], lambda i: [300, 0, 401 - noise[i], 101], n=100
    )
    per_frame = [bool(f.boxes[0, 2] > f.boxes[1, 2] - 300) for f in faces]
    assert 10 < sum(per_frame) < 90, "frame by frame the choice would jump"
    chosen = select(link(faces), "largest", 100, 640)
    assert len(set(chosen[:, 0] > 200)) == 1


def test_nobody_steps_in_while_the_chosen_one_looks_away() -> None:
    away = range(20, 34)
    faces = faces_of(
        lambda i: None if i in away else [0, 0, 120, 120], person(300, 100, range(60)), n=60
    )
    chosen = select(link(faces), "largest", 60, 640)
    assert np.isnan(chosen[20:34]).all()
    assert (chosen[[*range(20), *range(34, 60)], 0] == 0).all()


def test_after_the_chosen_one_has_gone_another_may_follow_but_not_briefly() -> None:
    big = person(0, 200, range(40))
    chosen = select(link(faces_of(big, person(300, 100, range(80)), n=80)), "largest", 80, 640)
    assert (chosen[:40, 0] == 0).all()
    assert (chosen[40:, 0] == 300).all()
    chosen = select(link(faces_of(big, person(300, 100, range(50)), n=80)), "largest", 80, 640)
    assert np.isnan(chosen[40:]).all()


def test_a_passer_by_does_not_take_over_and_a_false_alarm_is_no_face() -> None:
    stays = person(250, 100, range(200))
    passes = person(0, 100, range(50, 58))
    chosen = select(link(faces_of(stays, passes, n=200)), "left", 200, 640)
    assert (chosen[:, 0] == 250).all()
    assert np.isnan(select(link(faces_of(person(0, 50, range(2)), n=30)), "left", 30, 640)).all()
    # A photo has one frame, and a face seen in it counts.
    assert select(link(faces_of(person(0, 50, range(1)), n=1)), "left", 1, 640)[0, 2] == 50


def test_select_names_an_unknown_person() -> None:
    with pytest.raises(UserError, match="largest, center, left, right"):
        select([], "tallest", 5, 640)
    assert np.isnan(select([], "largest", 5, 640)).all()


def test_first_is_the_detectors_first() -> None:
    faces = [Faces.of(np.array([[5.0, 0, 9, 9], [0, 0, 100, 100]])), Faces.none()]
    chosen = first(faces)
    assert chosen[0].tolist() == [5, 0, 9, 9]
    assert np.isnan(chosen[1]).all()


def test_sparse_detection_on_a_real_clip_is_close_to_the_full_one(
    shared_media: Path,
) -> None:
    from w2l.faces.centerface import CenterFace

    capture = cv2.VideoCapture(str(shared_media / "special" / "two_speakers_left_audio_25fps.mp4"))
    frames = [capture.read()[1] for _ in range(26)]
    sparse, full = (list(detect_video(frames, CenterFace(), every=every)) for every in (5, 1))
    for who, side in (("left", 0), ("right", 360)):
        ours, theirs = (select(link(f), who, 26, 720) for f in (sparse, full))
        assert ((theirs[:, 0] > side) & (theirs[:, 2] < side + 360)).all()
        assert np.abs(ours - theirs).max() < 10
