"""An image of everybody in a video, with the numbers of `person=track:N`."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from w2l.boxes import area, crop, pad
from w2l.faces.track import Track
from w2l.inference.source import Source

SIDE, BAR, COLUMNS = 160, 28, 8  # pixels of a face and of its number's bar; faces in a row


def track_sheet(source: Source, tracks: Sequence[Track]) -> np.ndarray:
    """The largest view of each track with its number over it: uint8 (H, W, 3) BGR.

    Args:
        source: the video, of which one frame for each track is read again.
        tracks: at least one, in the order of their numbers.
    """
    tiles = []
    for number, track in enumerate(tracks, 1):
        row = int(area(track.boxes).argmax())
        frame = next(source.read(int(track.frames[row]), int(track.frames[row]) + 1))
        width, height = track.boxes[row, 2:] - track.boxes[row, :2]
        margins = (int(height) // 4, int(height) // 4, int(width) // 4, int(width) // 4)
        (box,) = pad(track.boxes[row : row + 1], margins, source.height, source.width)
        face = crop(frame, box)
        scale = SIDE / max(face.shape[:2])
        size = [max(1, round(side * scale)) for side in face.shape[1::-1]]
        small = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
        tile = np.zeros((BAR + SIDE, SIDE, 3), np.uint8)
        tile[BAR : BAR + size[1], : size[0]] = small
        white = (255, 255, 255)
        cv2.putText(tile, str(number), (6, BAR - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.7, white, 2)
        tiles.append(tile)
    columns = min(COLUMNS, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)
