"""The real-video protocol's tracker and cropper: golden, and what the golden file leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.signal import medfilt

from w2l.components import Faces
from w2l.faces.protocol_track import (
    ProtocolTrack,
    crop_track,
    crop_tracks,
    detections_of,
    track_detections,
)

HEIGHT, WIDTH = 288, 360


def golden_frames(n: int = 260) -> Iterator[np.ndarray]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for t in range(n):
        yield (np.stack([x + t, 2 * y + t, x + y], axis=-1) % 256).astype(np.uint8)


def rows(
    frames: range | list[int], width: float = 120, height: float = 120, x: float = 50
) -> np.ndarray:
    """Detections that stand still."""
    return np.array([[f, x, 50, x + width, 50 + height] for f in frames], dtype=float)


def merge(*detections: np.ndarray) -> np.ndarray:
    together = np.concatenate(detections)
    return together[np.argsort(together[:, 0], kind="stable")]


def spans(detections: np.ndarray, **options: object) -> list[tuple[int, int]]:
    tracks = track_detections(detections, **options)  # type: ignore[arg-type]
    return [(int(t.frames[0]), int(t.frames[-1])) for t in tracks]


def test_tracks_and_crops_are_the_published_ones(golden: Path) -> None:
    with np.load(golden / "tracks.npz") as file:
        expected = dict(file)
    tracks = track_detections(expected["detections"])
    assert len(tracks) == expected["n_tracks"]
    for i, track in enumerate(tracks):
        np.testing.assert_array_equal(track.frames, expected[f"track{i}_frames"])
        np.testing.assert_allclose(track.boxes, expected[f"track{i}_boxes"], rtol=0, atol=1e-3)
        crops = list(crop_track(golden_frames(), track))
        assert len(crops) == len(track.frames)
        np.testing.assert_array_equal(crops[0], expected[f"track{i}_crop_first"])
        np.testing.assert_array_equal(crops[40], expected[f"track{i}_crop_40"])


def test_crops_of_all_tracks_come_from_one_pass(golden: Path) -> None:
    with np.load(golden / "tracks.npz") as file:
        tracks = track_detections(file["detections"])
    # All at once, each frame seen once, and starting where the first track does.
    crops: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for index, crop in crop_tracks(golden_frames(), tracks):
        crops[index].append(crop)
    for index, track in enumerate(tracks):
        alone = list(crop_track(golden_frames(), track))
        assert all((a == b).all() for a, b in zip(crops[index], alone, strict=True))
    start = int(tracks[1].frames[0])
    later = list(crop_track(list(golden_frames())[start:], tracks[1], first_frame=start))
    np.testing.assert_array_equal(later[-1], crops[1][-1])


def test_cropping_stops_after_the_last_track_and_complains_of_missing_frames() -> None:
    (track,) = track_detections(rows(range(5, 15)), min_detections=5)
    frames = golden_frames(40)
    assert len(list(crop_track(frames, track))) == 10
    assert len(list(frames)) >= 24, "the rest of the video is not read"
    with pytest.raises(ValueError, match="do not cover"):
        list(crop_track(golden_frames(12), track))
    with pytest.raises(ValueError, match="do not cover"):
        list(crop_track(golden_frames(40), track, first_frame=6))


def test_each_frame_gives_its_crops_before_the_next_is_read() -> None:
    (track,) = track_detections(rows(range(200)))
    read = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal read
        for frame in golden_frames(200):
            read += 1
            yield frame

    for n, _ in enumerate(crop_track(counted(), track), start=1):
        assert read == n


@pytest.mark.parametrize(("shift", "joined"), [(39.9, True), (40.0, False), (40.1, False)])
def test_overlap_must_be_more_than_a_half(shift: float, joined: bool) -> None:
    # IoU of equal boxes 120 wide, shifted by 40: 80/160, exactly a half, which is not enough.
    detections = merge(rows(range(101)), rows(range(101, 202), x=50 + shift))
    assert spans(detections) == ([(0, 201)] if joined else [(0, 100), (101, 201)])


def test_overlap_is_with_the_last_box_not_the_first() -> None:
    drifting = np.concatenate([rows([t], x=2.0 * t) for t in range(150)])
    assert spans(drifting) == [(0, 149)]


@pytest.mark.parametrize(("gap", "joined"), [(14, True), (25, True), (26, False)])
def test_a_track_survives_25_frames_but_not_26(gap: int, joined: bool) -> None:
    """From one detection to the next, that is, 24 frames without one in between."""
    detections = merge(rows(range(101)), rows(range(100 + gap, 201 + gap)))
    end = 200 + gap
    assert spans(detections) == ([(0, end)] if joined else [(0, 100), (100 + gap, end)])


def test_gaps_are_interpolated_linearly() -> None:
    detections = merge(rows(range(101)), rows(range(120, 220), x=69))
    (track,) = track_detections(detections)
    np.testing.assert_array_equal(track.frames, np.arange(220))
    np.testing.assert_allclose(track.boxes[100:121, 0], np.arange(50, 70.5, 0.95)[:21])


def test_more_than_100_detections_are_needed_and_frames_do_not_count() -> None:
    assert spans(rows(range(100))) == []
    assert spans(rows(range(101))) == [(0, 100)]
    assert spans(merge(rows(range(100)), rows(range(101), x=220))) == [(0, 100)]
    # 199 frames, but 100 detections.
    assert spans(rows(range(0, 200, 2))) == []
    assert spans(rows(range(0, 202, 2))) == [(0, 200)]
    # Two faces, each with 60 detections in 119 frames.
    assert spans(merge(rows(range(0, 120, 2)), rows(range(0, 120, 2), x=220))) == []
    assert spans(rows(range(12)), min_detections=10) == [(0, 11)]


@pytest.mark.parametrize(
    ("width", "height", "counts"),
    [(100, 100, False), (100.5, 60, True), (60, 100.5, True), (100, 99, False)],
)
def test_the_larger_mean_side_must_be_over_100(width: float, height: float, counts: bool) -> None:
    assert bool(spans(rows(range(120), width, height))) is counts
    assert spans(rows(range(120), width, height), min_size=50) == [(0, 119)]


def test_the_mean_side_is_that_of_the_interpolated_boxes() -> None:
    # 101 detections: the first 100 are 90 px, the last is 150 px after a gap. Over detections the
    # mean is 90.6; over all frames the growing ones in the gap count too.
    detections = merge(rows(range(100), 90, 90), rows([124], 120, 120))
    (track,) = track_detections(detections, min_size=92)
    assert track.boxes.shape == (125, 4)
    assert spans(detections, min_size=94) == []


def test_what_a_track_took_is_taken_out_and_the_rest_searched_again() -> None:
    two = merge(rows(range(150)), rows(range(10, 160), x=220))
    assert spans(two) == [(0, 149), (10, 159)]
    # The detector's order within a frame decides who is first, not the place.
    two = merge(rows(range(150), x=220), rows(range(150)))
    assert [t.boxes[0, 0] for t in track_detections(two)] == [220, 50]


def test_tracks_stay_within_a_shot() -> None:
    detections = rows(range(250))
    assert spans(detections) == [(0, 249)]
    assert spans(detections, shots=[(0, 120), (120, 250)]) == [(0, 119), (120, 249)]
    assert spans(detections, shots=[(0, 200), (200, 250)]) == [(0, 199)]


def test_no_detections_and_disorder() -> None:
    assert track_detections(np.empty((0, 5))) == []
    with pytest.raises(ValueError, match="order"):
        track_detections(rows([3, 2]))


def test_detections_of_faces() -> None:
    boxes = np.array([[0, 0, 5, 5], [1, 1, 6, 6]], dtype=np.float32)
    faces = [
        Faces(boxes, np.array([0.9, 0.95], np.float32)),
        Faces.none(),
        Faces(boxes[1:], np.array([0.5], np.float32)),
    ]
    assert detections_of(faces).tolist() == [[0, 0, 0, 5, 5], [0, 1, 1, 6, 6], [2, 1, 1, 6, 6]]
    assert detections_of(faces, min_score=0.92).tolist() == [[0, 1, 1, 6, 6]]
    assert detections_of([]).shape == (0, 5)


def published_crop(frame: np.ndarray, half: float, x: float, y: float) -> np.ndarray:
    """The rule written plainly: pad the whole image, then cut."""
    border = int(half * 1.8)
    padded = np.pad(frame, ((border, border), (border, border), (0, 0)), constant_values=110)
    x, y = x + border, y + border
    part = padded[int(y - half) : int(y + 1.8 * half), int(x - 1.4 * half) : int(x + 1.4 * half)]
    return cv2.resize(part, (224, 224))


@pytest.mark.parametrize(
    "box",
    [
        [100.3, 80.2, 230.9, 170.4],  # wider than high
        [120.7, 60.1, 190.2, 220.8],  # higher than wide
        [-20.4, -31.7, 80.2, 90.3],  # out of the image on the left and above
        [290.6, 230.1, 371.9, 320.5],  # and on the right and below
    ],
)
def test_the_longer_side_decides_and_the_border_is_gray(box: list[float]) -> None:
    frame = next(golden_frames())
    left, top, right, bottom = box
    half = max(right - left, bottom - top) / 2
    track = ProtocolTrack(np.arange(30), np.tile(np.array(box), (30, 1)))
    crops = list(crop_track([frame] * 30, track))
    expected = published_crop(frame, half, (left + right) / 2, (top + bottom) / 2)
    np.testing.assert_array_equal(crops[15], expected)
    if left < 0:
        assert (crops[15][0, 0] == 110).all()


def test_the_median_runs_over_13_entries_with_zeros_beyond_the_ends() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(60, 80, (40, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(90, 120, (40, 2))], axis=1)
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 2
    x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
    assert medfilt(x, 13)[0] == x[:7].min(), "six zeros and the first seven: their smallest"
    series = np.stack([medfilt(v, 13) for v in (half, x, y)], axis=1)
    frame = next(golden_frames())
    crops = list(crop_track([frame] * 40, ProtocolTrack(np.arange(40), boxes)))
    for i in (0, 3, 20, 39):
        np.testing.assert_array_equal(crops[i], published_crop(frame, *series[i]))
    # A track shorter than the window warns of nothing (warnings are errors here).
    short = ProtocolTrack(np.arange(7), boxes[:7])
    assert len(list(crop_track([frame] * 7, short))) == 7
