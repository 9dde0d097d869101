"""Boxes that are known while the search goes on: those of the whole search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from w2l.components import Faces
from w2l.faces.search import Kept
from w2l.inference import ArraySource, FaceOptions, SyncOptions
from w2l.inference.coming import AT_ONCE, ComingPlan, can_begin
from w2l.inference.finding import FaceSearch, begun_plan, plan_faces
from w2l.inference.plan import settle

WIDTH, HEIGHT = 640, 360
Script = Callable[[int], list[tuple[float, float, float]]]  # left, top and side of each face


def found(script: Script, number: int) -> Faces:
    """Faces that shake a little, some turned, some uncertain."""
    rng = np.random.default_rng(number)
    boxes = np.array([(x, y, x + side, y + side) for x, y, side in script(number)], np.float32)
    boxes = boxes.reshape(-1, 4) + rng.normal(0, 1, (len(script(number)), 4)).astype(np.float32)
    shares = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)
    shares = shares + np.float32(0.2 * np.sin(number / 20)) * np.array([1, 0], np.float32)
    size = (boxes[:, 2:] - boxes[:, :2])[:, None]
    scores = rng.uniform(0.45, 0.62, len(boxes)).astype(np.float32)
    return Faces(boxes, scores, boxes[:, None, :2] + shares * size)


class Search(FaceSearch):
    """One of faces that are given, `n` of the frames that are wanted."""

    def __init__(self, script: Script, n: int, wanted: int, shots: tuple[int, ...]) -> None:
        self.kept, self.shots, self.n_frames, self.is_over = Kept(), [0], wanted, False
        self._cache, self._ends_at_none, self._stop = None, False, wanted

        def each() -> Iterator[Faces]:
            for number in range(n):
                if number in shots:
                    self.shots.append(number)
                yield found(script, number)

        self._coming = each()


def one(number: int) -> list[tuple[float, float, float]]:
    return [(200 + 80 * np.sin(number / 30), 100 + 20 * np.cos(number / 11), 120)]


def joined(number: int) -> list[tuple[float, float, float]]:
    """By a larger face, for which the first one makes room."""
    return [*one(number), (420, 100, 160)] if number >= 90 else one(number)


def jumps(number: int) -> list[tuple[float, float, float]]:
    """And comes back when the first frames were searched: all the while it is still awaited."""
    return [(x + 250 * (8 <= number < 30), y, side) for x, y, side in one(number)]


def leaves(number: int) -> list[tuple[float, float, float]]:
    """For a moment, then for good."""
    return [] if 80 <= number < 83 or number >= 130 else one(number)


def soon_joined(number: int) -> list[tuple[float, float, float]]:
    """Too soon to keep the first frames for itself."""
    return [*one(number), (420, 100, 160)] if number >= 5 else one(number)


@pytest.mark.parametrize("script", [one, joined, jumps, leaves, soon_joined])
@pytest.mark.parametrize(("shots", "n"), [((), 160), ((70, 77), 140)])
def test_each_box_is_that_of_the_whole_search(script: Script, shots, n: int) -> None:
    options = FaceOptions(missing_face="hold" if script is leaves else "pass")

    def settled(found):
        return settle(found, options, (HEIGHT, WIDTH), Path("film"), Fraction(25))

    whole = settled(Search(script, n, 150, shots).all())
    search = Search(script, n, 150, shots)
    plan = ComingPlan(search, settled)
    plan.box(0)
    assert len(search.kept) == (n if script in {jumps, soon_joined} else AT_ONCE)
    for frame in range(min(n, 150)):
        assert plan.reason(frame) == whole.reason(frame)
        np.testing.assert_array_equal(plan.box(frame), whole.box(frame))
        assert plan.strength(frame) == whole.strength(frame)
        np.testing.assert_array_equal(plan.points(frame), whole.points(frame))
    np.testing.assert_array_equal(plan.whole().boxes, whole.boxes)


class Walker:
    """Finds one face that walks, in any frame; counts those that it was shown."""

    n_shown = 0

    def detect(self, frames: list[np.ndarray]) -> list[Faces]:
        self.n_shown += len(frames)
        boxes = [np.array([[10 + f[0, 0, 0] / 4, 5, 60 + f[0, 0, 0] / 4, 55]]) for f in frames]
        return [Faces.of(box.astype(np.float32)) for box in boxes]


def test_a_search_that_is_left_early_looks_into_few_frames() -> None:
    frames = (
        np.zeros((200, 60, 120, 3), np.uint8) + np.arange(200, dtype=np.uint8)[:, None, None, None]
    )
    source, options, walker = ArraySource(frames, Fraction(25)), SyncOptions(), Walker()
    stages: list[tuple[str, int]] = []

    def progress(frames, stage, total):
        yield from frames
        stages.append((stage, total))

    expected = plan_faces(source, 200, walker, options)
    n_all, walker.n_shown = walker.n_shown, 0
    with begun_plan(source, 200, walker, options, progress) as plan:
        assert stages == [("finding faces", 200)]
        np.testing.assert_array_equal(plan.box(20), expected.box(20))
        assert 0 < walker.n_shown < n_all / 2
        np.testing.assert_array_equal(plan.whole().boxes, expected.boxes)
        assert walker.n_shown == n_all


@pytest.mark.parametrize(
    "given",
    [
        {"published": True},
        {"person": "first"},
        {"missing_face": "error"},
        {"chooser": lambda _: []},
    ],
)
def test_what_needs_all_of_the_video_waits_for_it(given) -> None:
    assert can_begin(FaceOptions())
    assert not can_begin(FaceOptions(**given))
