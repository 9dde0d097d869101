"""Clips that look and sound the same, however they were encoded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from preprocess.records import Record
from w2l.errors import UserError
from w2l.video import read_image

BANDS, TIMES = 10, 24  # of the sound's print
SIDE, MOMENTS = 8, 3  # of the face's: pixels; at the beginning, the middle and the end
# Of two prints, by their cosine. On the GRID sentences tried, the same clip at half the size or at
# another rate had 1.00 in the sound and .87 and more in the face; others had .87 and less in the
# sound, and the same sound with another speaker's face .56 in that.
SAME_SOUND, SAME_FACE = 0.95, 0.75
SAME_LENGTH = 0.05  # share by which lengths may differ
BLOCK = 2048  # clips that are compared with all others at once


def same_clips(accepted: Sequence[Record], root: Path) -> dict[str, str]:
    """Prepared clips that look and sound like one that is listed earlier, however encoded.

    Args:
        accepted: the records of the clips.
        root: the set's folder.

    Returns:
        The earlier clip's key by the key of the later one.
    """
    keys = [f"{record['speaker']}/{record['clip']}" for record in accepted]
    if not keys:
        return {}
    prints = [_prints(root / key) for key in keys]
    sounds, faces = (np.stack(rows) for rows in zip(*prints, strict=True))
    lengths = np.array([record["duration_s"] for record in accepted])
    found: dict[str, str] = {}
    for start in range(0, len(keys), BLOCK):
        stop = min(start + BLOCK, len(keys))
        alike = sounds[start:stop] @ sounds[:stop].T > SAME_SOUND
        for i, j in np.argwhere(np.tril(alike, start - 1)):
            later, first = start + int(i), int(j)
            lasts = abs(lengths[later] - lengths[first]) <= SAME_LENGTH * lengths[first]
            if lasts and faces[later] @ faces[first] > SAME_FACE:
                found.setdefault(keys[later], found.get(keys[first], keys[first]))
    return found


def _prints(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """What a clip sounds and looks like, as vectors of length 1.

    Of length 0, which is like nothing, where nothing is heard or seen or can be read.
    """
    sound, face = np.zeros((BANDS, TIMES)), np.zeros((MOMENTS, SIDE, SIDE))
    with suppress(OSError, ValueError, EOFError, UserError):
        sound = _shrunk(np.load(folder / "mel.npy"), TIMES, BANDS)
        numbers = sorted(int(path.stem) for path in folder.glob("*.jpg"))
        chosen = np.linspace(0, len(numbers) - 1, MOMENTS).round().astype(int)
        images = [read_image(folder / f"{numbers[i]}.jpg") for i in chosen]
        face = np.stack([_shrunk(image.mean(axis=2), SIDE, SIDE) for image in images])
    return _unit(sound), _unit(face)


def _shrunk(values: np.ndarray, width: int, height: int) -> np.ndarray:
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)


def _unit(values: np.ndarray) -> np.ndarray:
    row = (values - values.mean()).ravel().astype(np.float32)
    length = float(np.linalg.norm(row))
    return row / length if length > 1e-3 else np.zeros_like(row)
