"""`person=photo:FILE`: the person who looks like the one in a photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from w2l.boxes import area
from w2l.errors import UserError
from w2l.faces.centerface import CenterFace
from w2l.faces.likeness import SAME, SMALLEST, FaceEmbedder, distance
from w2l.faces.track import Track
from w2l.inference.source import Source
from w2l.video import read_image

LOOKS = 3  # frames of each track that are compared
CLEARLY = 0.1  # by which of two people seen at once the one must be nearer


class ByPhoto:
    """Ranks tracks by likeness; a `Chooser`.

    Args:
        photo: an image of the person.
        source: the video, of which some frames are read again.
        say: is told how near each track is.

    Raises:
        UserError: the `photo` extra is missing, the file is no image, or shows no face; when
            called: nobody looks like it, or two people do who are seen at once.
    """

    def __init__(self, photo: Path, source: Source, say: Callable[[str], None]) -> None:
        self._photo, self._source, self._say = photo, source, say
        self._embed = FaceEmbedder()
        image = read_image(photo)
        (faces,) = CenterFace().detect([image])
        if not len(faces.boxes):
            raise UserError(
                f"person=photo:{photo}: no face was found in it: name a photo that shows one."
            )
        self._wanted = self._embed(image, faces.boxes[int(area(faces.boxes).argmax())])

    def __call__(self, tracks: Sequence[Track]) -> list[float | None]:
        """Minus the mean distance of each track that is the person; None for the others."""
        away = [self._distance(track) for track in tracks]
        for number, value in enumerate(away, 1):
            what = "too small to tell" if value is None else f"distance {value:.2f}"
            self._say(f"photo: track {number}: {what}")
        known = sorted((value, i) for i, value in enumerate(away) if value is not None)
        where = self._source.path
        if not known or known[0][0] >= SAME:
            nearest = f" (the nearest, track {known[0][1] + 1}, is {known[0][0]:.2f} away, where "
            raise UserError(
                f"Nobody in {where} looks like {self._photo}"
                + (f"{nearest}less than {SAME} counts as the same person)" if known else "")
                + ": choose person=track:N, which person=tracks shows."
            )
        same = [(value, i) for value, i in known if value < SAME]
        for (value, i), (other, j) in combinations(same, 2):
            if other - value < CLEARLY and tracks[i].meets(tracks[j]):
                raise UserError(
                    f"Two people in {where} look like {self._photo}, track {i + 1} ({value:.2f} "
                    f"away) and track {j + 1} ({other:.2f}): choose one by person=track:N."
                )
        return [None if value is None or value >= SAME else -value for value in away]

    def _distance(self, track: Track) -> float | None:
        sizes = (track.boxes[:, 2:] - track.boxes[:, :2]).max(axis=1)
        best = [part[int(track.scores[part].argmax())]
                for part in np.array_split(np.flatnonzero(sizes >= SMALLEST), LOOKS)
                if len(part)]  # fmt: skip
        values = [
            distance(self._embed(frame, track.boxes[row]), self._wanted)
            for row in best
            for frame in self._source.read(int(track.frames[row]), int(track.frames[row]) + 1)
        ]
        return float(np.mean(values)) if values else None
