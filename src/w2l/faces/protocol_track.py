"""The tracker and the cropper of the published real-video protocol, exactly (SyncNet's pipeline).

They decide which images the metric sees, so nothing in them is improved; for one's own use
`w2l.faces.track` is the better tracker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from w2l import boxes as box_ops
from w2l.components import Faces

CROP_SIZE = 224
CROP_SCALE = 0.4  # of half the box's longer side: room left, right and, doubled, below
MEDIAN_WINDOW = 13
BORDER = 110


class ProtocolTrack(NamedTuple):
    """One face over every frame from its first detection to its last."""

    frames: np.ndarray  # (n,) int64, consecutive
    boxes: np.ndarray  # (n, 4) float64, interpolated where nothing was detected


def detections_of(faces: Sequence[Faces], min_score: float = 0.0) -> np.ndarray:
    """The rows that `track_detections` takes, from the faces of each frame.

    Args:
        faces: of each frame, in the detector's order.
        min_score: faces must score more. The protocol's 0.9 is meant for S3FD; CenterFace's scores
            are lower, and its own threshold will do.

    Returns:
        (M, 5) float64: frame, left, top, right, bottom.
    """
    rows = [
        np.column_stack([np.full(keep.sum(), frame), found.boxes[keep]])
        for frame, found in enumerate(faces)
        for keep in [found.scores > min_score]
    ]
    return np.concatenate([np.empty((0, 5)), *rows]).astype(np.float64)


def track_detections(
    detections: np.ndarray,
    *,
    shots: Sequence[tuple[int, int]] | None = None,
    min_iou: float = 0.5,
    max_gap: int = 25,
    min_detections: int = 100,
    min_size: float = 100.0,
) -> list[ProtocolTrack]:
    """Join detections into tracks.

    A track starts with the first detection left and takes, walking forward, each one that overlaps
    its last by more than `min_iou`, until it meets a frame more than `max_gap` after its last.
    What it took is taken out, and the rest searched again.

    Args:
        detections: (M, 5) rows frame, left, top, right, bottom; frames rising, and within a frame
            in the detector's order.
        shots: (first frame, frame after the last) of each; none: the video is one shot. A track
            stays within a shot.
        min_iou: overlap with the track's last box must be more than this.
        max_gap: frames from one detection to the next, at most.
        min_detections: a track must have more detections than this.
        min_size: the larger of mean width and mean height must be more pixels than this.

    Returns:
        Tracks, shot by shot, in the order of their starts.
    """
    detections = np.asarray(detections, dtype=np.float64).reshape(-1, 5)
    if (np.diff(detections[:, 0]) < 0).any():
        raise ValueError("detections must be in the order of their frames")
    if shots is None:
        shots = [(0, int(detections[-1, 0]) + 1)] if len(detections) else []
    tracks = []
    for start, stop in shots:
        in_shot = (detections[:, 0] >= start) & (detections[:, 0] < stop)
        left = detections[in_shot]
        while len(left) > min_detections:  # fewer cannot make a track that counts
            taken = _walk(left, min_iou, max_gap)
            if taken.sum() > min_detections:
                track = _interpolate(left[taken])
                size = (track.boxes[:, 2:] - track.boxes[:, :2]).mean(axis=0)
                if size.max() > min_size:
                    tracks.append(track)
            left = left[~taken]
    return tracks


def _walk(detections: np.ndarray, min_iou: float, max_gap: int) -> np.ndarray:
    """Which rows (M, 5) the track that starts with the first one takes: (M,) bool."""
    taken = np.zeros(len(detections), dtype=bool)
    taken[0] = True
    last = detections[0]
    for i, row in enumerate(detections[1:], start=1):
        if row[0] - last[0] > max_gap:
            break
        if box_ops.iou(row[None, 1:], last[None, 1:])[0, 0] > min_iou:
            taken[i] = True
            last = row
    return taken


def _interpolate(rows: np.ndarray) -> ProtocolTrack:
    """A box for every frame from the first row (frame, box) to the last."""
    frames = np.arange(int(rows[0, 0]), int(rows[-1, 0]) + 1)
    boxes = [np.interp(frames, rows[:, 0], rows[:, side]) for side in range(1, 5)]
    return ProtocolTrack(frames, np.stack(boxes, axis=1))


def crop_track(
    frames: Iterable[np.ndarray], track: ProtocolTrack, first_frame: int = 0
) -> Iterator[np.ndarray]:
    """The crops of one track, one after another; see `crop_tracks`.

    Yields:
        (224, 224, 3) uint8, for each of `track.frames`.
    """
    for _, crop in crop_tracks(frames, [track], first_frame):
        yield crop


def crop_tracks(
    frames: Iterable[np.ndarray], tracks: Sequence[ProtocolTrack], first_frame: int = 0
) -> Iterator[tuple[int, np.ndarray]]:
    """The crops of several tracks in one pass over a video, holding one frame at a time.

    The boxes' half longer side and centre are median-filtered over 13 entries, zeros beyond the
    ends.

    Args:
        frames: (H, W, 3) uint8 of the video, in order.
        tracks: from `track_detections`.
        first_frame: number of the first of `frames`.

    Yields:
        (index of the track, its next crop (224, 224, 3) uint8), frame by frame.

    Raises:
        ValueError: `frames` ends before a track does, or begins after it.
    """
    squares = [_squares(track.boxes) for track in tracks]
    done = [0] * len(tracks)
    for number, frame in enumerate(frames, start=first_frame):
        if all(n == len(t.frames) for n, t in zip(done, tracks, strict=True)):
            return
        for index, (track, square) in enumerate(zip(tracks, squares, strict=True)):
            if done[index] < len(track.frames) and track.frames[done[index]] == number:
                yield index, _crop(frame, *square[done[index]])
                done[index] += 1
    if any(n < len(t.frames) for n, t in zip(done, tracks, strict=True)):
        raise ValueError("the frames do not cover the tracks: they end too early or begin too late")


def _squares(boxes: np.ndarray) -> np.ndarray:
    """Half the longer side, x and y of the centre (n, 3) of boxes (n, 4), median-filtered."""
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 2
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    series = np.column_stack([half, centre])
    # Zeros beyond both ends, as SciPy's medfilt has them.
    beyond = [(MEDIAN_WINDOW // 2, MEDIAN_WINDOW // 2), (0, 0)]
    windows = sliding_window_view(np.pad(series, beyond), MEDIAN_WINDOW, axis=0)
    filtered: np.ndarray = np.median(windows, axis=-1)
    return filtered


def _crop(frame: np.ndarray, half: float, x: float, y: float) -> np.ndarray:
    """One crop: the face with room around and below, what lies outside the image being gray."""
    height, width = frame.shape[:2]
    border = int(half * (1 + 2 * CROP_SCALE))
    # In the coordinates of the image with this border on all sides, as published, because
    # truncation there is towards minus infinity; then back to the image's.
    top = max(int(y + border - half), 0) - border
    bottom = min(int(y + border + half * (1 + 2 * CROP_SCALE)), height + 2 * border) - border
    left = max(int(x + border - half * (1 + CROP_SCALE)), 0) - border
    right = min(int(x + border + half * (1 + CROP_SCALE)), width + 2 * border) - border
    if bottom <= top or right <= left:
        raise ValueError(f"the face at x={x:.0f}, y={y:.0f}, half size {half:.0f} has no crop")
    crop = np.full((bottom - top, right - left, 3), BORDER, dtype=np.uint8)
    y0, y1, x0, x1 = max(top, 0), min(bottom, height), max(left, 0), min(right, width)
    if y0 < y1 and x0 < x1:
        crop[y0 - top : y1 - top, x0 - left : x1 - left] = frame[y0:y1, x0:x1]
    return cv2.resize(crop, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
