"""Tracks by number, by who speaks, and by a photo."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from w2l.components import Faces
from w2l.errors import UserError
from w2l.extras.photo import ByPhoto
from w2l.extras.speaker import most_confident
from w2l.faces.centerface import CenterFace
from w2l.faces.likeness import SAME, FaceEmbedder, distance
from w2l.faces.search import Detections
from w2l.faces.track import Track, by_number, choose, describe, link
from w2l.inference.plan import tracks_of

FPS = Fraction(25)


def track(x: float, start: int, stop: int) -> Track:
    n = stop - start
    box = np.array([x, 10, x + 50, 70], np.float32)
    return Track(np.arange(start, stop), np.tile(box, (n, 1)), np.ones(n, np.float32))


def test_numbers_follow_time_then_place() -> None:
    def seen(i):
        here = [[200.0, 10, 250, 70], [20, 10, 70, 70]]  # right one first
        here += [[110.0, 10, 160, 70]] if i >= 10 else []
        return here + ([[300.0, 10, 350, 70]] if i == 12 else [])  # a false alarm

    faces = [Faces.of(np.array(seen(i))) for i in range(40)]
    tracks = tracks_of(Detections(faces, [0, 30]))
    assert [(int(t.boxes[0, 0]), int(t.frames[0]), int(t.frames[-1])) for t in tracks] == [
        (20, 0, 29), (200, 0, 29), (110, 10, 29), (20, 30, 39), (110, 30, 39), (200, 30, 39)
    ]  # fmt: skip
    assert by_number(tracks, [3, 5], FPS) == [None, None, 1.0, None, 1.0, None]
    chosen = choose(tracks, by_number(tracks, [3, 5], FPS), 40)
    assert chosen.tolist() == [-1] * 10 + [2] * 20 + [4] * 10


def test_link_joins_over_a_cut_only_where_it_is_not_told_of_it() -> None:
    faces = [Faces.of(np.array([10.0, 10, 60, 70]))] * 20
    assert len(link(faces)) == 1
    assert [len(t.frames) for t in link(faces, shots=[0, 8])] == [8, 12]


def test_a_number_that_is_not_there_names_those_that_are() -> None:
    tracks = [track(20, 0, 50), track(200, 25, 75)]
    with pytest.raises(UserError, match=r"track:3 .*person=tracks") as error:
        by_number(tracks, [3], FPS)
    assert "track 2: 1.00 to 3.00 s, 50 frames, mean box [10,70,200,250]" in str(error.value)
    assert describe(tracks, FPS)[0].startswith("track 1: 0.00 to 2.00 s")
    many = [track(i, 10 * i, 10 * i + 5) for i in range(40)]
    with pytest.raises(UserError, match="and 28 more"):
        by_number(many, [0], FPS)


def test_of_those_seen_at_once_the_most_confident_speaks() -> None:
    tracks = [track(0, 0, 50), track(100, 10, 40), track(0, 50, 90), track(100, 60, 95)]
    assert most_confident(tracks, [0.1, 0.4, 0.2, None]) == [None, 0.4, 0.2, None]
    assert most_confident(tracks, [0.5, 0.4, 0.2, 0.3]) == [0.5, None, None, 0.3]


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Eileen Collins, NASA: public domain, comes with scikit-image."""
    return np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])


def test_a_face_is_near_itself_and_far_from_what_is_no_face_of_hers(portrait) -> None:
    embed = FaceEmbedder()
    box = CenterFace().detect([portrait])[0].boxes[0]
    small = cv2.convertScaleAbs(cv2.resize(portrait, None, fx=0.6, fy=0.6), alpha=0.8)
    turned = portrait[:, ::-1].copy()
    mirrored = np.array([512 - box[2], box[1], 512 - box[0], box[3]])
    own = embed(portrait, box)
    assert own.shape == (128,)
    assert distance(own, embed(small, box * 0.6)) < 0.3
    assert distance(own, embed(turned, mirrored)) < SAME
    wall = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    assert distance(own, embed(wall, np.array([50, 50, 150, 150.0]))) > SAME


class Two:
    """A source of one image, the portrait on the right, on the left whatever is given."""

    path = Path("two.mp4")

    def __init__(self, left: np.ndarray, right: np.ndarray) -> None:
        self.frame = np.hstack([left, right])

    def read(self, start, stop):
        return (self.frame.copy() for _ in range(start, stop))


def tracks_in(boxes: list[np.ndarray]) -> list[Track]:
    return [Track(np.arange(9), np.tile(b, (9, 1)), np.ones(9, np.float32)) for b in boxes]


def test_a_photo_names_the_one_who_looks_like_it(portrait, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("w2l.extras.photo.LOOKS", 1)  # its image stands still
    cv2.imwrite(str(tmp_path / "she.png"), portrait)
    box = CenterFace().detect([portrait])[0].boxes[0]
    noise = np.random.default_rng(0).integers(0, 256, portrait.shape, dtype=np.uint8)
    there = box + [512, 0, 512, 0]
    said: list[str] = []
    ask = ByPhoto(tmp_path / "she.png", Two(noise, portrait), said.append)
    ranks = ask(tracks_in([box, there]))
    assert ranks[0] is None
    assert ranks[1] == pytest.approx(0, abs=0.15)
    assert len(said) == 2
    with pytest.raises(UserError, match=r"Nobody in two\.mp4 looks like .*she\.png"):
        ask(tracks_in([box]))
    looks = iter([0.30, 0.33, 0.36])  # the second is there later, and lies between the others
    monkeypatch.setattr(ByPhoto, "_distance", lambda self, track: next(looks))
    first, later, third = tracks_in([box, box, there])
    with pytest.raises(UserError, match=r"Two people .* track 1 .* track 3"):
        ask([first, later._replace(frames=later.frames + 100), third])
    monkeypatch.undo()
    monkeypatch.setattr("w2l.extras.photo.LOOKS", 1)
    twins = ByPhoto(tmp_path / "she.png", Two(portrait, portrait), said.append)
    with pytest.raises(UserError, match=r"Two people .* track 1 .* track 2"):
        twins(tracks_in([box, there]))


def test_a_photo_without_a_face_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((100, 100, 3), 90, np.uint8))
    with pytest.raises(UserError, match=r"wall\.png: no face was found"):
        ByPhoto(tmp_path / "wall.png", Two(*np.zeros((2, 9, 9, 3), np.uint8)), print)
